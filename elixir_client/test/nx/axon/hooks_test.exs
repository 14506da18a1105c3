if Code.ensure_loaded?(Axon) do
  defmodule Davit.Nx.Axon.HooksTest do
    use ExUnit.Case, async: true
    import Davit.Test.AgainstEvaluator, only: [sender: 2, sent: 1]
    import Nx.Defn
    alias Davit.Hooks
    alias Davit.Hooks.Event

    @moduletag :engine

    defp watched(pid) do
      Axon.input("x", shape: {nil, 2})
      |> Axon.dense(3, activation: :tanh, name: "first")
      |> Axon.attach_hook(sender(pid, :forward), on: :forward)
      |> Axon.attach_hook(sender(pid, :training), on: :forward, mode: :train)
      |> Axon.attach_hook(sender(pid, :backward), on: :backward)
      |> Axon.dense(1, name: "last")
    end

    defp state(model) do
      {init, _} = Axon.build(model, seed: 1, compiler: Nx.Defn.Evaluator)
      init.(Nx.template({2, 2}, :f32), Axon.ModelState.empty())
    end

    defp input, do: Nx.tensor([[0.5, -1.0], [0.25, 2.0]])

    defp close(got, expected),
      do: Nx.all_close(Nx.tensor(got), Nx.tensor(expected), rtol: 1.0e-5) |> Nx.to_number()

    defp hooks(fun) do
      fun.()
      for tag <- [:forward, :training, :backward], do: sent(tag)
    end

    test "hooks of a prediction fire as with the evaluator" do
      model = watched(self())
      state = state(model)

      [[got], [], []] = hooks(fn -> Axon.predict(model, state, input(), compiler: Davit) end)

      [[expected], [], []] =
        hooks(fn -> Axon.predict(model, state, input(), compiler: Nx.Defn.Evaluator) end)

      assert close(got, expected) == 1
    end

    test "hooks of a training step fire forwards and backwards as with the evaluator" do
      model = watched(self())
      {init, step} = Axon.Loop.train_step(model, :mean_squared_error, :sgd, seed: 1)
      batch = {input(), Nx.tensor([[1.0], [-1.0]])}

      run = fn compiler ->
        hooks(fn ->
          state = Nx.Defn.jit_apply(init, [batch, Axon.ModelState.empty()], compiler: compiler)
          sent(:forward)
          sent(:training)
          Nx.Defn.jit_apply(step, [batch, state], compiler: compiler)
        end)
      end

      expected = run.(Nx.Defn.Evaluator)
      got = run.(Davit)
      assert [[_], [_], [_]] = expected
      for {a, b} <- Enum.zip(got, expected), do: assert(close(a, b) == 1)
    end

    test "another process gets the hooks of its own model" do
      for _ <- 1..2 do
        model = watched(self())
        state = state(model)
        parent = self()
        ref = make_ref()

        task =
          Task.async(fn ->
            model = watched(self())
            Axon.predict(model, state, input(), compiler: Davit)
            send(parent, {ref, sent(:forward)})
          end)

        Task.await(task)
        assert_received {^ref, [_]}
        assert sent(:forward) == []
      end
    end

    test "a probe finds layers by their kind and number" do
      model =
        Axon.input("x", shape: {nil, 2})
        |> Axon.dense(3)
        |> Axon.tanh()
        |> Axon.dense(1, name: "last")

      state = state(model)
      # In the engine of other tests there are other models.
      engine = Davit.Real.start()

      labels = fn glob ->
        {:ok, ref} = Hooks.subscribe({:probe, glob}, view: :summary, engine: engine)
        Axon.predict(model, state, input(), compiler: Davit, engine: engine)
        Hooks.unsubscribe(ref)
        labels(ref) |> Enum.uniq() |> Enum.sort()
      end

      assert labels.("dense_0.*") == ["dense_0.add", "dense_0.dot"]
      assert labels.("dense_1.*") == ["dense_1.add", "dense_1.dot"]
      assert labels.("tanh*") == ["tanh_0.tanh"]
    end

    defp labels(ref) do
      receive do
        {:davit_hook, ^ref, %Event{label: label}} -> [label | labels(ref)]
      after
        0 -> []
      end
    end

    defn loss(state, x, y, opts \\ []) do
      predict = opts[:predict]
      Nx.mean(Nx.pow(predict.(state, x) - y, 2))
    end

    test "gradients of a model by Nx.Defn.grad" do
      model = Axon.input("x", shape: {nil, 2}) |> Axon.dense(3, activation: :gelu) |> Axon.dense(1)
      {_, predict} = Axon.build(model)
      parameters = state(model)
      y = Nx.tensor([[1.0], [-1.0]])

      gradient = fn parameters, x, y ->
        Nx.Defn.grad(parameters, fn parameters -> loss(parameters, x, y, predict: predict) end)
      end

      [got, expected] =
        for compiler <- [Davit, Nx.Defn.Evaluator] do
          gradient
          |> Nx.Defn.jit_apply([parameters, input(), y], compiler: compiler)
          |> Nx.backend_copy(Nx.BinaryBackend)
        end

      for {layer, parameters} <- expected.data, {name, value} <- parameters do
        assert Nx.all_close(got.data[layer][name], value, rtol: 1.0e-4, atol: 1.0e-5)
               |> Nx.to_number() == 1
      end
    end
  end
end
