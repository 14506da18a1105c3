if Code.ensure_loaded?(Axon) do
  defmodule Davit.Test.Training do
    @moduledoc false
    # Models of Axon that are trained with Davit and, from the same seeds, with Nx.Defn.Evaluator on Nx.BinaryBackend.

    import ExUnit.Assertions

    @doc """
    Trains from the same start with both compilers, for so many epochs on the batches. Asserts that the losses of all steps and the
    outputs for the first batch agree, and that the loss fell below the given part of the first one. Returns the trained state.
    """
    def assert_same(model, loss, optimizer, batches, options) do
      {tolerance, options} = Keyword.pop(options, :tolerance, 1.0e-3)
      {falls_to, options} = Keyword.pop!(options, :falls_to)
      arguments = [model, loss, optimizer, batches, options]
      {losses, state, output} = apply(__MODULE__, :train, arguments ++ [[compiler: Davit]])

      {expected, _, expected_output} =
        apply(__MODULE__, :train, arguments ++ [[compiler: Nx.Defn.Evaluator]])

      assert length(losses) == length(expected)

      for {{a, b}, step} <- losses |> Enum.zip(expected) |> Enum.with_index() do
        assert_in_delta a, b, tolerance * max(1.0, abs(b)), "the losses of step #{step}"
      end

      assert Nx.all_close(output, expected_output, atol: 10 * tolerance) |> Nx.to_number() == 1
      assert mean(Enum.take(losses, -length(batches))) < falls_to * hd(losses)
      state
    end

    @doc "Trains. Returns the loss of each step, the trained state, and the output for the first batch."
    def train(model, loss, optimizer, batches, options, compiler) do
      parent = self()
      tag = make_ref()

      keep = fn state ->
        send(parent, {tag, Nx.to_number(state.step_state.loss)})
        {:continue, state}
      end

      {epochs, options} = Keyword.pop!(options, :epochs)

      state =
        model
        |> Axon.Loop.trainer(loss, optimizer, [log: 0, seed: 42] ++ options)
        |> Axon.Loop.handle_event(:iteration_completed, keep)
        |> Axon.Loop.run(batches, Axon.ModelState.empty(), [epochs: epochs] ++ compiler)

      {input, _} = hd(batches)
      output = Axon.predict(model, state, input, compiler)
      {received(tag), state, Nx.backend_copy(output, Nx.BinaryBackend)}
    end

    defp received(tag) do
      receive do
        {^tag, value} -> [value | received(tag)]
      after
        0 -> []
      end
    end

    @doc "So many batches, each drawn by `fun` from a key."
    def batches(count, seed, fun) do
      keys = seed |> Nx.Random.key() |> Nx.Random.split(parts: count)
      for place <- 0..(count - 1), do: fun.(keys[place])
    end

    defp mean(numbers), do: Enum.sum(numbers) / length(numbers)
  end
end
