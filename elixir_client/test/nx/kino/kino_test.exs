if Code.ensure_loaded?(Kino) do
  defmodule Davit.KinoTest do
    use ExUnit.Case, async: true
    import Kino.Test
    alias Davit.Graph, as: G
    alias Davit.Real

    @moduletag :engine
    setup :configure_livebook_bridge
    setup do: %{engine: Real.start()}

    # The engine of a test ends before its watchers, which say so.
    setup_all do: Logger.put_module_level(Davit.Kino.Watcher, :none)

    # Counts to a number, with a hook on each value and on a vector of them.
    defp counting(engine) do
      graph =
        G.build([{:s32, {}}], fn limit ->
          G.for_loop(limit, G.constant(0.0, :f32), fn _, x ->
            next = x |> G.add(1.0) |> G.hook("step")
            G.hook(G.stack([x, next]), "pair")
            next
          end)
        end)

      Davit.load(graph, engine: engine)
    end

    # The data that a chart was pushed, until there are so many points of the series.
    defp points(chart, series, count, found \\ []) do
      assert_broadcast_event(
        chart,
        "push",
        %{data: data, dataset: "readings", window: window},
        10_000
      )

      found =
        found ++ for(point <- data, point.series == series, do: Map.put(point, :window, window))

      if length(found) < count, do: points(chart, series, count, found), else: found
    end

    if Code.ensure_loaded?(Kino.VegaLite) do
      test "a chart gets the values of a hook", %{engine: engine} do
        chart = Davit.Kino.hook("step", policy: :every, engine: engine, points: 7, title: "Steps")

        assert %{spec: %{"title" => "Steps", "data" => %{"name" => "readings"}, "layer" => [_, _]}} =
                 connect(chart)

        Davit.run(counting(engine), [3])
        points = points(chart, "step", 3)
        assert for(point <- points, do: {point.event, point.mean}) == [{1, 1.0}, {2, 2.0}, {3, 3.0}]
        assert List.last(points).window == 7
        # Who opens the notebook later sees them too.
        assert %{datasets: [["readings", [_, _, _]]]} = connect(chart)
      end

      test "a series has the extent of a vector, and hooks are told apart", %{engine: engine} do
        chart = Davit.Kino.hook({:label, "*"}, policy: :every, engine: engine)
        Davit.run(counting(engine), [2])
        points = points(chart, "pair", 2)

        assert for(point <- points, do: {point.min, point.mean, point.max}) == [
                 {0, 0.5, 1},
                 {1, 1.5, 2}
               ]
      end

      test "what is not finite is a gap", %{engine: engine} do
        program = Davit.load(G.build([{:f32, {2}}], &G.hook(&1, "odd")), engine: engine)
        chart = Davit.Kino.hook("odd", policy: :every, engine: engine)
        Davit.run(program, [[:nan, :infinity]])
        assert [%{mean: nil, min: nil, max: nil, event: 1}] = points(chart, "odd", 1)
      end

      test "the engine leaves out what the policy says, and the numbers go on", %{engine: engine} do
        chart = Davit.Kino.hook("step", policy: {:sample, 100}, engine: engine)
        Davit.run(counting(engine), [301])
        points = points(chart, "step", 4)
        assert for(point <- points, do: point.event) == [1, 101, 201, 301]
        assert for(point <- points, do: point.mean) == [1.0, 101.0, 201.0, 301.0]
      end
    end

    if not Code.ensure_loaded?(Kino.VegaLite) do
      test "a chart without kino_vega_lite is refused" do
        assert_raise ArgumentError, ~r/add {:kino_vega_lite/, fn -> Davit.Kino.hook("x") end
      end
    end

    # Waits until a frame shows a text.
    defp assert_shown(%{ref: ref} = frame, expected) do
      assert_receive {:livebook_put_output,
                      %{type: :frame_update, ref: ^ref, update: {:replace, [%{text: text}]}}},
                     10_000

      if text != expected, do: assert_shown(frame, expected)
    end

    test "numbers show the latest value of each hook", %{engine: engine} do
      frame = Davit.Kino.hook(:all, as: :numbers, policy: :every, engine: engine)
      Davit.run(counting(engine), [3])
      assert_shown(frame, "pair: 2.5 from 2.0 to 3.0 in 2 (event 3)\nstep: 3.0 (event 3)")
    end

    test "nodes with one label are told apart", %{engine: engine} do
      graph =
        G.build([{:f32, {}}], fn x ->
          x |> G.add(1) |> G.label("layer") |> G.multiply(2) |> G.label("layer")
        end)

      frame = Davit.Kino.hook({:probe, "layer"}, as: :numbers, policy: :every, engine: engine)
      Davit.run(Davit.load(graph, engine: engine), [1])
      assert_shown(frame, "layer: 2.0 (event 1)\nlayer (2): 4.0 (event 1)")
    end

    test "numbers say what is not finite", %{engine: engine} do
      program =
        Davit.load(
          G.build([{:f32, {}}, {:f32, {3}}], fn x, y -> [G.hook(x, "x"), G.hook(y, "y")] end),
          engine: engine
        )

      frame = Davit.Kino.hook(:all, as: :numbers, policy: :every, engine: engine)
      Davit.run(program, [:nan, [1.0, :nan, :infinity]])

      assert_shown(
        frame,
        "x: NaN (event 1)\ny: 1.0 from 1.0 to 1.0 in 3, 1 NaN, 1 infinite (event 1)"
      )
    end

    test "the subscription belongs to the cell", %{engine: engine} do
      Davit.Kino.hook("mine", as: :numbers, engine: engine)
      watcher = watcher("mine")
      cell = self()
      # Livebook ends what a cell refers to when the cell is evaluated again.
      assert_received {:livebook_reference_object, ^watcher, ^cell}
      monitor = Process.monitor(watcher)
      send(Kino.Terminator, {:terminate, watcher})
      assert_receive {:DOWN, ^monitor, :process, _, _}
    end

    test "an engine that was stopped is not watched any longer", %{engine: engine} do
      Davit.Kino.hook("stopped", as: :numbers, engine: engine)
      monitor = Process.monitor(watcher("stopped"))
      stop_supervised!(engine)
      assert_receive {:DOWN, ^monitor, :process, _, :normal}
    end

    defp watcher(match) do
      for(
        pid <- Process.list(),
        match?({Davit.Kino.Watcher, _, _}, :proc_lib.translate_initial_call(pid)),
        :sys.get_state(pid).match == match,
        do: pid
      )
      |> hd()
    end

    test "what is invalid is said", %{engine: engine} do
      assert_raise ArgumentError, ~r/expected a name/, fn ->
        Davit.Kino.hook(1, as: :numbers, engine: engine)
      end

      assert_raise ArgumentError, ~r/:as to be :chart or :numbers/, fn ->
        Davit.Kino.hook("x", as: :pie)
      end

      assert_raise ArgumentError, ~r/unknown option :rate/, fn -> Davit.Kino.hook("x", rate: 1) end

      assert_raise ArgumentError, ~r/as a policy/, fn ->
        Davit.Kino.hook("x", as: :numbers, policy: :some, engine: engine)
      end
    end
  end
end
