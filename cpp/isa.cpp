#include "isa.hpp"

#include <stdexcept>

namespace zifglass {

std::vector<Isa> available_isas() {
  std::vector<Isa> result;
#ifdef ZIFGLASS_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("fma"))
    result.push_back(Isa::avx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    result.push_back(Isa::avx2);
#endif
  result.push_back(Isa::baseline);
  return result;
}

const char* name_of(Isa isa) {
  return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "baseline";
}

Isa find_isa(const std::string& name) {
  std::string names;
  for (const Isa isa : available_isas()) {
    if (name == "auto" || name == name_of(isa)) return isa;
    names += (names.empty() ? "" : ", ") + std::string(name_of(isa));
  }
  throw std::invalid_argument("the instruction set '" + name +
                              "' is not available: this machine and build have " + names);
}

}  // namespace zifglass
