#include "kernels/data/primitives.h"

#include <string_view>
#include <unordered_map>

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

class Data : public Substitute {
 public:
  Data(std::shared_ptr<mx::Primitive> original, DataKernel kernel)
      : Substitute(std::move(original)), kernel_(kernel) {}

  bool compute(const std::vector<mx::array>& inputs, mx::array& output) override {
    return kernel_(original(), inputs, output);
  }

 private:
  const DataKernel kernel_;
};

}  // namespace

std::shared_ptr<Substitute> data_kernel_for(const mx::array& array) {
  static const std::unordered_map<std::string_view, DataKernel> kernels = {
      {"Contiguous", contiguous},
      {"Reshape", reshape},
      {"Flatten", reshape},
      {"Unflatten", reshape},
      {"Concatenate", concatenate},
      {"Pad", pad},
      {"Sort", sort},
      {"ArgSort", argsort},
      {"RandomBits", random_bits},
      {"Convolution", convolution},
  };
  auto kernel = kernels.find(array.primitive().name());
  if (kernel == kernels.end()) return nullptr;
  return std::make_shared<Data>(array.primitive_ptr(), kernel->second);
}

}  // namespace davit::kernels
