if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Random do
    @moduledoc false
    # Nx.Random, which draws the same numbers everywhere.

    import Davit.Conformance.Case, only: [new: 3, new: 4]

    def cases do
      key = Nx.Random.key(42)
      weights = Nx.tensor([0.1, 0.6, 0.3])
      types = [:bf16, :f16, :f32, :f64]

      [
        new("split", &{Nx.Random.split(&1), Nx.Random.split(&1, parts: 5)}, [key]),
        new("fold_in", &Nx.Random.fold_in(&1, 7), [key]),
        new("randint", &drawn(Nx.Random.randint(&1, -50, 100, shape: {3, 4})), [key]),
        new("randint u8", &drawn(Nx.Random.randint(&1, 0, 200, shape: {9}, type: :u8)), [key]),
        new("choice", &drawn(Nx.Random.choice(&1, Nx.tensor([5, 6, 7]), &2, samples: 6)), [
          key,
          weights
        ]),
        new("shuffle", &drawn(Nx.Random.shuffle(&1, Nx.iota({8}))), [key])
      ] ++
        for type <- types, name <- [:uniform, :normal] do
          draw = fn key -> drawn(apply(Nx.Random, name, [key, [shape: {7}, type: type]])) end
          # Near 0 the inverse of erf keeps few of the bits of a short type.
          new("#{name} #{type}", draw, [key], tolerance: if(type == :bf16, do: 16, else: 8))
        end ++
        [new("gumbel", &drawn(Nx.Random.gumbel(&1, shape: {6})), [key], tolerance: 8)]
    end

    # The numbers and the next key.
    defp drawn({numbers, key}), do: {numbers, key}
  end
end
