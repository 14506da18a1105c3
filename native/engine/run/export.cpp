#include "engine/run/export.h"

#include <mlx/export.h>
#include <mlx/primitives.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "traversal.h"

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

// The first node that a primitive was made for, by the primitive's name.
using NamedSites = std::unordered_map<std::string, int>;

NamedSites named(const PrimitiveSites& sites) {
  NamedSites names;
  // Primitives have names such as "FFT (inverse)".
  for (const auto& [primitive, site] : sites) {
    std::string name = primitive->name();
    auto [at, added] = names.emplace(name.substr(0, name.find(' ')), site);
    at->second = std::min(at->second, site);
  }
  return names;
}

// The node with the primitive that MLX says it cannot write.
int site_of_message(const std::string& message, const NamedSites& sites) {
  auto found = sites.find(message.substr(message.rfind(' ') + 1));
  return found == sites.end() ? -1 : found->second;
}

// Why the array has the sizes of this trace, whatever the inputs of its primitive are; empty where
// it has not.
std::string fixed_sizes(const mx::array& array) {
  auto& primitive = array.primitive();
  std::string_view name = primitive.name();
  const auto& inputs = array.inputs();
  if (name == "Reshape") {
    auto shape = static_cast<mx::Reshape&>(primitive).state();
    if (std::find(shape.begin(), shape.end(), -1) == shape.end()) return "its shape has no -1";
  } else if (name == "Broadcast" && inputs.size() == 1) {
    return "its shape is fixed";
  }
  try {
    primitive.output_shapes(inputs);
    return "";
  } catch (const std::exception&) {
    return "MLX has no rule for it";
  }
}

// Refuses what is computed of the inputs and holds for their sizes only.
void check_shapeless(const Arrays& inputs, const Arrays& results, const PrimitiveSites& sites) {
  std::unordered_set<std::uintptr_t> done;
  std::unordered_set<std::uintptr_t> sized;  // depend on the inputs
  for (const auto& input : inputs) sized.insert(input.id());
  auto is_sized = [&](const mx::array& array) { return sized.contains(array.id()); };
  for (const auto& result : results) {
    visit_operands_first(
        result, [&](const mx::array& array) { return done.contains(array.id()); },
        [&](const mx::array& array) {
          for (const auto& output : array.outputs()) done.insert(output.id());
          if (!array.has_primitive()) return;
          if (std::none_of(array.inputs().begin(), array.inputs().end(), is_sized)) return;
          for (const auto& output : array.outputs()) sized.insert(output.id());
          if (auto why = fixed_sizes(array); !why.empty()) {
            auto at = sites.find(&array.primitive());
            throw RunError("export_unsupported",
                           std::string(array.primitive().name()) +
                               " cannot be written for inputs of any sizes: " + why,
                           at == sites.end() ? -1 : at->second);
          }
        });
  }
}

void export_trace(mx::FunctionExporter& exporter, const ExportedTrace& trace) {
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
  exporter(positions, keywords);
}

}  // namespace

Arrays Lane::trace(const ProgramPtr& program, const Arrays& constants, const Arrays& inputs,
                   PrimitiveSites& sites) {
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
  Arrays results;
  for (int result : entry.results) results.push_back(values.at(result));
  // Those of values that nobody needs end here.
  visit_primitives(results, [&](const mx::array& array) {
    auto at = state.trace.sites.find(&array.primitive());
    if (at != state.trace.sites.end()) sites.insert(*at);
    return true;
  });
  return results;
}

void export_traces(Lane& lane, const std::string& path, const std::vector<ExportedTrace>& traces,
                   const ExportOptions& options) {
  BoundArrays bound;
  const ExportedTrace* current = nullptr;
  NamedSites names;
  auto function = [&](const mx::Args& positions, const mx::Kwargs& keywords) {
    const Function& entry = current->program->entry();
    Arrays inputs = positions;
    for (const auto& name : current->keywords) inputs.push_back(keywords.at(name));
    Arrays constants;
    for (int index : entry.bound) {
      constants.push_back(bound.of(entry.nodes[static_cast<size_t>(index)].bound));
    }
    PrimitiveSites sites;
    auto results = lane.trace(current->program, constants, inputs, sites);
    if (options.shapeless) check_shapeless(inputs, results, sites);
    names = named(sites);
    return results;
  };
  auto exporter =
      mx::exporter(path, std::function<Arrays(const mx::Args&, const mx::Kwargs&)>(function),
                   options.shapeless, options.metadata);
  for (size_t i = 0; i < traces.size(); ++i) {
    current = &traces[i];
    try {
      export_trace(exporter, *current);
    } catch (const std::invalid_argument& error) {
      std::string message = error.what();
      if (message.find("Unable to") == message.npos) throw ExportError(i, current_failure());
      throw ExportError(i, std::make_shared<Failure>(Failure{"export_unsupported", message,
                                                             site_of_message(message, names)}));
    } catch (...) {
      throw ExportError(i, current_failure());
    }
  }
  exporter.close();
}

}  // namespace davit
