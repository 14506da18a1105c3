#include "engine/run/export.h"

#include <mlx/export.h>

#include <algorithm>
#include <unordered_map>

namespace davit {

namespace {

// MLX writes the memory of a constant as it lies.
mx::array as_rows(const mx::array& array) {
  if (array.flags().row_contiguous && !array.has_primitive()) return array;
  auto rows = allocate_array(type_of(array));
  copy_rows(array, rows.data<uint8_t>());
  return rows;
}

// The constants that programs have bound, each an array that the traces share.
class BoundArrays {
 public:
  const mx::array& of(const ValuePtr& value) {
    auto known = arrays_.find(value.get());
    if (known == arrays_.end()) known = arrays_.emplace(value.get(), as_rows(value->array())).first;
    return known->second;
  }

 private:
  std::unordered_map<const Value*, mx::array> arrays_;
};

// The node with the primitive that MLX says it cannot write.
int site_of_message(const std::string& message, const NamedSites& sites) {
  auto found = sites.find(message.substr(message.rfind(' ') + 1));
  return found == sites.end() ? -1 : found->second;
}

}  // namespace

Arrays Lane::trace(const ProgramPtr& program, const Arrays& constants, const Arrays& inputs,
                   NamedSites& sites) {
  const Function& entry = program->entry();
  std::unordered_map<int, mx::array> values;
  for (size_t i = 0; i < inputs.size(); ++i) values.emplace(static_cast<int>(i), inputs[i]);
  for (size_t i = 0; i < entry.bound.size(); ++i) {
    const Node& node = entry.nodes[static_cast<size_t>(entry.bound[i])];
    values.emplace(node.first_output, constants[i]);
  }
  const std::vector<int> nobody;
  Build state{*program, nobody, std::nullopt, {}};
  state.checkpoints = false;
  build_nodes(state, entry, 0, static_cast<int>(entry.nodes.size()), values);
  // Primitives have names such as "FFT (inverse)".
  for (const auto& [primitive, site] : state.trace.sites) {
    std::string name = primitive->name();
    auto [at, added] = sites.emplace(name.substr(0, name.find(' ')), site);
    at->second = std::min(at->second, site);
  }
  Arrays results;
  for (int result : entry.results) results.push_back(values.at(result));
  return results;
}

void export_traces(Lane& lane, const std::string& path, const std::vector<ExportedTrace>& traces,
                   const std::string& metadata) {
  BoundArrays bound;
  const ExportedTrace* current = nullptr;
  NamedSites sites;
  auto function = [&](const mx::Args& positions, const mx::Kwargs& keywords) {
    const Function& entry = current->program->entry();
    Arrays inputs = positions;
    for (const auto& name : current->keywords) inputs.push_back(keywords.at(name));
    Arrays constants;
    for (int index : entry.bound) {
      constants.push_back(bound.of(entry.nodes[static_cast<size_t>(index)].bound));
    }
    return lane.trace(current->program, constants, inputs, sites);
  };
  auto exporter = mx::exporter(
      path, std::function<Arrays(const mx::Args&, const mx::Kwargs&)>(function), false, metadata);
  for (const auto& trace : traces) {
    current = &trace;
    sites.clear();
    const Function& entry = trace.program->entry();
    for (const Node& node : entry.nodes) {
      if (!node.is_control()) continue;
      throw RunError("export_unsupported", node.op + " cannot be written to a .mlxfn file",
                     node.site);
    }
    mx::Args positions;
    mx::Kwargs keywords;
    size_t first = entry.parameters.size() - trace.keywords.size();
    for (size_t i = 0; i < entry.parameters.size(); ++i) {
      const auto& type = entry.parameters[i];
      mx::array input(type.shape, type.dtype, nullptr, {});
      if (i < first) {
        positions.push_back(input);
      } else {
        keywords.emplace(trace.keywords[i - first], input);
      }
    }
    try {
      exporter(positions, keywords);
    } catch (const std::invalid_argument& error) {
      std::string message = error.what();
      if (message.find("Unable to") == message.npos) throw;
      throw RunError("export_unsupported", message, site_of_message(message, sites));
    }
  }
  exporter.close();
}

}  // namespace davit
