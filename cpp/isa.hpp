// Which instruction sets this build holds and this machine has.
#pragma once

#include <string>
#include <vector>

namespace zifglass {

enum class Isa { baseline, avx2, avx512 };

std::vector<Isa> available_isas();  // the best first
const char* name_of(Isa isa);
// By name; "auto" is the best. Throws std::invalid_argument naming those there are.
Isa find_isa(const std::string& name);

}  // namespace zifglass
