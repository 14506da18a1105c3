#include "primitives/matrices.h"

#include <mlx/backend/cpu/encoder.h>
#include <mlx/primitives.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <memory>
#include <optional>

#include "interpose/interpose.h"
#include "primitives/elements.h"

namespace davit {

namespace {

// Which part of a matrix is read.
enum class Part { all, lower, upper };

// Returns the part of its matrix that a primitive reads; nothing where it does not call LAPACK.
std::optional<Part> part_read(const mx::Primitive& primitive) {
  auto triangle = [](bool upper) { return upper ? Part::upper : Part::lower; };
  std::string_view name = primitive.name();
  if (name == "LUF" || name == "QRF" || name == "SVD" || name == "Eig") return Part::all;
  if (name == "Inverse") {
    auto [triangular, upper] = static_cast<const mx::Inverse&>(primitive).state();
    return triangular ? triangle(upper) : Part::all;
  }
  if (name == "Cholesky") return triangle(static_cast<const mx::Cholesky&>(primitive).state());
  if (name == "Eigh") {
    return triangle(static_cast<const mx::Eigh&>(primitive).state().first == "U");
  }
  return std::nullopt;
}

bool finite(float value) { return std::isfinite(value); }
bool finite(double value) { return std::isfinite(value); }
bool finite(std::complex<float> value) { return finite(value.real()) && finite(value.imag()); }

// Calls `function` with a value of the array's C++ type, where that is one of LAPACK's.
template <typename Function>
void dispatch(const mx::array& array, Function function) {
  if (array.dtype() == mx::float32) function(float{});
  if (array.dtype() == mx::float64) function(double{});
  if (array.dtype() == mx::complex64) function(std::complex<float>{});
}

bool all_finite(const mx::array& matrices) {
  bool result = true;
  dispatch(matrices, [&]<typename T>(T) {
    const T* data = matrices.data<T>();
    if (matrices.flags().row_contiguous || matrices.flags().col_contiguous) {
      result = std::all_of(data, data + matrices.size(), [](T value) { return finite(value); });
    } else {
      each_offset(matrices, [&](int64_t offset) { result = result && finite(data[offset]); });
    }
  });
  return result;
}

// Returns whether the part that is read of a matrix of so many columns is finite.
template <typename T>
bool finite_part(const T* matrix, int rows, int columns, Part part) {
  for (int row = 0; row < rows; ++row) {
    int from = part == Part::upper ? row : 0;
    int to = part == Part::lower ? row + 1 : columns;
    const T* values = matrix + static_cast<size_t>(row) * static_cast<size_t>(columns);
    if (!std::all_of(values + from, values + to, [](T value) { return finite(value); })) {
      return false;
    }
  }
  return true;
}

// Copies matrices, row by row, with the identity in the place of those that are not finite; returns
// which these are.
std::vector<size_t> copy_finite(const mx::array& matrices, mx::array& copy, Part part) {
  int rows = matrices.shape(-2), columns = matrices.shape(-1);
  size_t size = static_cast<size_t>(rows) * static_cast<size_t>(columns);
  std::vector<size_t> replaced;
  dispatch(matrices, [&]<typename T>(T) {
    const T* from = matrices.data<T>();
    T* to = copy.data<T>();
    each_offset(matrices, [&](int64_t offset) { *to++ = from[offset]; });
    for (size_t i = 0; i < matrices.size() / size; ++i) {
      T* matrix = copy.data<T>() + i * size;
      if (finite_part(matrix, rows, columns, part)) continue;
      replaced.push_back(i);
      std::fill(matrix, matrix + size, T(0));
      for (int k = 0; k < std::min(rows, columns); ++k) matrix[k * (columns + 1)] = T(1);
    }
  });
  return replaced;
}

// Fills results of some of the matrices of a batch with NaN. Those of a matrix lie together.
void fill_with_nan(mx::array& results, size_t matrices, const std::vector<size_t>& which) {
  size_t size = results.size() / matrices;
  dispatch(results, [&]<typename T>(T) {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    T value = kNan;
    if constexpr (std::is_same_v<T, std::complex<float>>) value = {kNan, kNan};
    for (size_t i : which) std::fill_n(results.data<T>() + i * size, size, value);
  });
}

class FiniteMatrices : public mx::Primitive {
 public:
  FiniteMatrices(std::shared_ptr<mx::Primitive> original, Part part)
      : Primitive(original->stream()), original_(std::move(original)), part_(part) {}

  void eval_cpu(const Arrays& inputs, Arrays& outputs) override {
    const auto& matrices = inputs[0];
    bool known = interpose::streams_inline() || matrices.size() == 0;
    if (known && all_finite(matrices)) return factor(inputs, outputs);

    mx::array copy(matrices.shape(), matrices.dtype(), nullptr, {});
    copy.set_data(mx::allocator::malloc(copy.nbytes()));
    auto replaced = std::make_shared<std::vector<size_t>>();
    auto& encoder = mx::cpu::get_command_encoder(stream());
    encoder.add_temporary(copy);
    encoder.dispatch([from = mx::array::unsafe_weak_copy(matrices),
                      to = mx::array::unsafe_weak_copy(copy), replaced,
                      part = part_]() mutable { *replaced = copy_finite(from, to, part); });
    factor({copy}, outputs);
    size_t size = static_cast<size_t>(matrices.shape(-2)) * matrices.shape(-1);
    for (auto& output : outputs) {
      encoder.dispatch(
          [output = mx::array::unsafe_weak_copy(output), replaced,
           count = matrices.size() / size]() mutable { fill_with_nan(output, count, *replaced); });
    }
  }
  void eval_gpu(const Arrays&, Arrays&) override {
    throw std::runtime_error("LAPACK is called on a CPU stream");
  }
  const char* name() const override { return "DavitFiniteMatrices"; }

 private:
  void factor(const Arrays& inputs, Arrays& outputs) {
    original_->eval_cpu(inputs, outputs);
    for (auto& output : outputs) {
      // LUF counts the elements that it has in memory in bytes, and what follows goes past its end.
      if (output.data_size() <= output.size()) continue;
      auto strides = output.strides();
      output.copy_shared_buffer(output, strides, output.flags(), output.size());
    }
  }

  std::shared_ptr<mx::Primitive> original_;
  Part part_;
};

}  // namespace

bool guard_matrices(Arrays& outputs) {
  auto original = outputs[0].primitive_ptr();
  auto part = part_read(*original);
  if (!part) return false;
  auto guarded = std::make_shared<FiniteMatrices>(original, *part);
  for (auto& output : outputs) output.primitive_ptr() = guarded;
  return true;
}

}  // namespace davit
