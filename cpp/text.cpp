// Tables of text, the inner loop of every trajectory reader: rows of white-space separated
// columns, each a number, a short word or skipped.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace nb = nanobind;

namespace {

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// std::from_chars knows no leading '+', and gives up on under- and overflow where strtod rounds.
bool to_number(const char *first, const char *last, double &value) {
  if (first != last && *first == '+') ++first;
  const auto result = std::from_chars(first, last, value);
  if (result.ec == std::errc{}) return result.ptr == last;
  if (result.ec != std::errc::result_out_of_range) return false;
  const std::string copy(first, last);
  char *end = nullptr;
  value = std::strtod(copy.c_str(), &end);
  return *end == '\0';
}

constexpr double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// The usual number, digits with a point and at most 15 of them: both the integer of its digits
// and the power of ten are exact doubles, so that one division rounds correctly (Clinger 1990).
// Moves p to the end of the number; false where it is any other, p then means nothing.
bool plain_number(const char *&p, const char *end, double &value) {
  const bool negative = p != end && *p == '-';
  if (negative) ++p;
  std::uint64_t digits = 0;
  const char *const first = p;
  while (p != end && *p >= '0' && *p <= '9') digits = 10 * digits + (*p++ - '0');
  auto count = p - first;
  std::ptrdiff_t decimals = 0;
  if (p != end && *p == '.') {
    const char *const point = ++p;
    while (p != end && *p >= '0' && *p <= '9') digits = 10 * digits + (*p++ - '0');
    decimals = p - point;
    count += decimals;
  }
  if (count == 0 || count > 15 || !(p == end || blank(*p) || *p == '\n')) return false;
  const double magnitude = static_cast<double>(digits) / powers_of_ten[decimals];
  value = negative ? -magnitude : magnitude;
  return true;
}

// Up to eight characters, the first in the lowest byte, so that words compare as integers.
bool to_word(const char *first, const char *last, std::uint64_t &word) {
  const auto length = static_cast<std::size_t>(last - first);
  if (length > 8) return false;
  word = 0;
  for (std::size_t i = 0; i < length; ++i)
    word |= static_cast<std::uint64_t>(static_cast<unsigned char>(first[i])) << (8 * i);
  return true;
}

template <class T>
auto owned(std::vector<T> &&values, std::size_t rows, std::size_t columns) {
  auto *heap = new std::vector<T>(std::move(values));
  nb::capsule owner(heap, [](void *p) noexcept { delete static_cast<std::vector<T> *>(p); });
  return nb::ndarray<nb::numpy, T, nb::ndim<2>>(heap->data(), {rows, columns}, owner);
}

// kinds: one letter per column, 'f' number, 's' word, '-' skipped. Returns (numbers (rows, f),
// words (rows, s), row, column): row is the first bad row and column its bad column (the number
// of columns where there are too many, the number found where there are too few), or row = -1.
nb::tuple parse_table(nb::bytes text, std::size_t rows, const std::string &kinds) {
  std::size_t n_numbers = 0, n_words = 0;
  for (const char kind : kinds) {
    if (kind == 'f') ++n_numbers;
    else if (kind == 's') ++n_words;
    else if (kind != '-') throw nb::value_error("column kinds are 'f', 's' and '-'");
  }
  const char *p = text.c_str();
  const char *const end = p + text.size();
  // A row holds at least two characters per column, so a false count cannot ask for memory.
  const std::size_t possible = text.size() / 2 + 1;
  std::vector<double> numbers;
  std::vector<std::uint64_t> words;
  numbers.reserve(std::min(rows, possible) * n_numbers);
  words.reserve(std::min(rows, possible) * n_words);
  std::int64_t bad_row = -1, bad_column = 0;
  for (std::size_t row = 0; row < rows && bad_row < 0; ++row) {
    std::size_t column = 0;
    bool good = true;
    while (good) {
      while (p != end && blank(*p)) ++p;
      if (p == end || *p == '\n') break;
      const char *const first = p;
      double value = 0.0;
      if (column < kinds.size() && kinds[column] == 'f' && plain_number(p, end, value)) {
        numbers.push_back(value);
        ++column;
        continue;
      }
      p = first;
      while (p != end && !blank(*p) && *p != '\n') ++p;
      if (column == kinds.size()) {
        good = false;
      } else if (kinds[column] == 'f') {
        good = to_number(first, p, value);
        numbers.push_back(value);
      } else if (kinds[column] == 's') {
        std::uint64_t word = 0;
        good = to_word(first, p, word);
        words.push_back(word);
      }
      if (good) ++column;
    }
    if (p != end && *p == '\n') ++p;
    if (!good || column != kinds.size()) {
      bad_row = static_cast<std::int64_t>(row);
      bad_column = static_cast<std::int64_t>(column);
    }
  }
  if (bad_row >= 0) {
    numbers.clear();
    words.clear();
    rows = 0;
  }
  return nb::make_tuple(owned(std::move(numbers), rows, n_numbers),
                        owned(std::move(words), rows, n_words), bad_row, bad_column);
}

}  // namespace

void bind_text(nb::module_ &m) {
  m.def("parse_table", &parse_table, nb::arg("text"), nb::arg("rows"), nb::arg("kinds"));
}
