if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.MemoryTest do
    # One process that computes for a long time. Everything is counted, and nothing is timed. With DAVIT_LONG=1 it makes a million
    # operations and 100,000 calls.
    use ExUnit.Case, async: false
    import Davit.Test.AgainstEvaluator, only: [watch: 2]
    alias Davit.{Engine, Real}
    alias Davit.Engine.Routes

    @moduletag :engine
    @moduletag timeout: :infinity

    @long System.get_env("DAVIT_LONG") == "1"
    @operations if @long, do: 1_000_000, else: 50_000
    @calls if @long, do: 100_000, else: 10_000
    @samples 10

    setup do
      engine = Real.start()
      Nx.default_backend({Davit.Backend, engine: engine})
      Nx.Defn.default_options(compiler: Davit, engine: engine)
      %{engine: engine}
    end

    # Takes steps from a tensor to the next, and looks at the memory ten times on the way.
    defp samples(engine, steps, tensor, step) do
      each = div(steps, @samples)

      {_, samples} =
        Enum.reduce(1..@samples, {tensor, []}, fn _, {tensor, samples} ->
          tensor = Enum.reduce(1..each, tensor, step)
          {tensor, [sample(engine) | samples]}
        end)

      if @long, do: IO.inspect(samples, label: "samples, the last one first")
      Enum.reverse(samples)
    end

    defp sample(engine) do
      dropped = Engine.info(engine)
      for pid <- Process.list(), do: :erlang.garbage_collect(pid)
      Engine.reclaim(engine)
      info = Engine.info(engine)

      %{
        # In the engine, before and after this VM has said which ones it dropped.
        most_tensors: dropped["tensors"],
        tensors: info["tensors"],
        programs: info["programs"],
        active: info["memory"]["active"],
        peak: info["memory"]["peak"],
        # Here.
        vm: :erlang.memory(:total),
        atoms: :erlang.system_info(:atom_count),
        processes: length(Process.list()),
        routes: Routes.size(Engine.session!(engine).routes),
        messages: self() |> Process.info(:message_queue_len) |> elem(1)
      }
    end

    @mib 2 ** 20

    defp assert_flat(samples) do
      # By the half of the way every table has the size that it keeps, and code is loaded.
      [first | later] = Enum.drop(samples, div(@samples, 2) - 1)

      for sample <- later do
        assert sample.tensors <= first.tensors
        assert sample.programs == first.programs
        assert sample.active <= first.active
        assert sample.most_tensors < 10_000
        assert sample.peak < 16 * @mib
        assert sample.vm < first.vm + 8 * @mib
        assert sample.atoms < first.atoms + 1000
        assert sample.processes < first.processes + 10
        assert sample.routes == first.routes
        assert sample.messages == 0
      end
    end

    test "eager operations leave nothing behind", %{engine: engine} do
      x = Nx.iota({64}, type: :f32)
      y = Nx.add(x, 1)

      # Five operations, of which one result goes on.
      step = fn n, x ->
        next = x |> Nx.add(y) |> Nx.multiply(0.5)
        norm = next |> Nx.abs() |> Nx.sum() |> Nx.sqrt()
        if rem(n, 100) == 0, do: Nx.to_number(norm)
        next
      end

      engine |> samples(div(@operations, 5), x, step) |> assert_flat()
    end

    test "calls of a compiled function leave nothing behind", %{engine: engine} do
      fun = Nx.Defn.jit(fn x, y -> Nx.multiply(Nx.add(x, y), 0.5) end)
      x = Nx.iota({64}, type: :f32)
      step = fn n, x -> fun.(x, n) end
      engine |> samples(@calls, x, step) |> assert_flat()
    end

    test "calls with large results, hooks and other closures leave nothing behind", %{
      engine: engine
    } do
      parent = self()
      x = Nx.broadcast(0.0, {64, 1024})

      # A result of 256 KiB stays in the engine; each closure is another one.
      step = fn n, x ->
        hook = fn sum -> send(parent, {:sum, n, Nx.to_number(sum)}) end
        fun = fn x -> {Nx.add(x, 1), watch(Nx.sum(x), :sum)} end

        {next, _} =
          Nx.Defn.jit_apply(fun, [x], compiler: Davit, engine: engine, hooks: %{sum: hook})

        assert_received {:sum, ^n, _}
        next
      end

      samples = samples(engine, div(@calls, 10), x, step)
      assert_flat(for sample <- samples, do: %{sample | peak: 0})
      # Far less than what was computed.
      assert List.last(samples).peak < 200 * @mib
    end
  end
end
