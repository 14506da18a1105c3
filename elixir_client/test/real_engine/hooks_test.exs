defmodule Davit.RealEngine.HooksTest do
  # Hooks, prints and callbacks of one run, on the real engine.
  use ExUnit.Case, async: false
  @moduletag :engine

  alias Davit.{EngineError, Hooks, Real, Tensor}
  alias Davit.Graph, as: G

  setup_all do
    :ok = Davit.Engine.await()
    on_exit(fn -> Davit.Engine.stop() end)
  end

  @x {:float32, {2}}
  @scalar {:float32, {}}

  defp list(event), do: Hooks.Event.to_list(event)

  test "a hook by an unknown name is refused, and the known names are listed" do
    program = [@x] |> G.build(&(&1 |> G.hook("doubled") |> G.hook("seen"))) |> Davit.load()
    tensor = Tensor.from_list([1, 2], :float32)

    for match <- ["double", {:name, "double"}] do
      run = fn -> Davit.run(program, [tensor], hooks: [{match, fn _ -> :ok end}]) end
      error = assert_raise EngineError, run
      assert error.code == :hook_unknown

      assert Exception.message(error) ==
               ~s|the program has no hook "double"; expected one of "doubled", "seen"|
    end

    # A glob may match nothing.
    assert [_] = Davit.run(program, [tensor], hooks: [{{:label, "double"}, fn _ -> :ok end}])
  end

  describe "a destination" do
    defp sending(fun), do: [@scalar, Hooks.to(self()).type] |> G.build(fun) |> Davit.load()

    test "receives the hook's values, in order, before the run returns" do
      program =
        sending(fn x, who ->
          G.for_loop(3, x, fn i, y ->
            {a, b} = G.hook({G.add(y, 1), i}, "step", to: who, label: "loop.step")
            G.add(a, G.astype(b, dtype: :float32))
          end)
        end)

      assert [%{destination: true, name: "step"}] = Enum.filter(program.sites, &(&1.kind == :hook))
      {:ok, standing} = Hooks.subscribe("step")
      test = self()

      other =
        spawn_link(fn -> receive(do: (:look -> send(test, Process.info(self(), :messages)))) end)

      assert [sum] = Davit.run(program, [0, Hooks.to(other)])
      assert Tensor.to_list(sum) == 6.0
      # What is there now came before the run's end.
      send(other, :look)
      assert_receive {:messages, messages}

      for {message, i} <- Enum.zip(messages, 0..2) do
        assert {:davit_hook, "step", %Hooks.Event{seq: ^i, path: [^i], label: "loop.step"} = event} =
                 message

        assert [_, ^i] = Enum.map(event.values, &Tensor.to_list/1)
      end

      # To a standing subscription the destination is a value like any other.
      for _ <- 1..3, do: assert_receive({:davit_hook, ^standing, %{values: [_, _, %Tensor{}]}})
      Hooks.unsubscribe(standing)
      # The same program, another receiver.
      assert [_] = Davit.run(program, [0, Hooks.to(self())])
      for i <- 0..2, do: assert_received({:davit_hook, "step", %{seq: ^i}})
    end

    test "that is gone or cannot be reached loses its events, and nothing else happens" do
      program = sending(fn x, who -> x |> G.hook("lost", to: who) |> G.add(1) end)
      {dead, monitor} = spawn_monitor(fn -> :ok end)
      assert_receive {:DOWN, ^monitor, _, _, _}
      away = <<131, 88, 119, 10, "davit@away", 1::32, 0::32, 1::32, 0::38*8>>
      assert byte_size(away) == 64
      _ = :davit@away

      for who <- [Hooks.to(dead), away] do
        assert [two] = Davit.run(program, [1, who])
        assert Tensor.to_list(two) == 2.0
      end
    end

    test "that is not a process fails the run with an error that says so" do
      program = sending(fn x, who -> G.hook(x, "astray", to: who) end)

      error = assert_raise EngineError, fn -> Davit.run(program, [1, <<7::512>>]) end
      assert error.code == :destination_invalid
      assert Exception.message(error) =~ ~r/destination of astray is not a process.*Davit.Hooks.to/s
      assert {:messages, []} = Process.info(self(), :messages)
      assert [_] = Davit.run(program, [1, Hooks.to(self())])
      assert_received {:davit_hook, "astray", _}

      wrong = fn -> G.build([@scalar], &G.hook(&1, "h", to: &1)) |> Davit.load() end
      error = assert_raise EngineError, wrong
      assert error.code == :type_mismatched
      assert error.message =~ "the destination is float32[]"
    end
  end

  test "a destination that is not a process is refused, whatever its bytes, and creates no atoms" do
    pad = fn bytes -> bytes <> :binary.copy(<<0>>, 256 - byte_size(bytes)) end
    pid = :erlang.term_to_binary(self())
    number = System.unique_integer([:positive])
    unheard = "nobody#{number}@nowhere"

    hostile = [
      # A large term in few bytes, an atom that there is not, functions, a pid among others, one with more behind it.
      :erlang.term_to_binary(:binary.copy(<<0>>, 10_000), compressed: 9),
      <<131, 119, byte_size(unheard), unheard::binary>>,
      <<131, 88, 119, byte_size(unheard), unheard::binary, 0::96>>,
      :erlang.term_to_binary(fn -> send(self(), :called) end),
      :erlang.term_to_binary(&System.halt/0),
      :erlang.term_to_binary([self(), self()]),
      :erlang.term_to_binary(make_ref()),
      :erlang.term_to_binary({self(), "more"}),
      pid <> "more",
      <<131, 108, 0xFFFFFFFF::32, 106>>,
      <<>>,
      :crypto.strong_rand_bytes(256)
    ]

    types = [@scalar, {:uint8, {256}}]
    # The program itself puts them together, as any program can.
    program =
      types
      |> G.build(fn x, bytes ->
        G.for_loop(2, x, fn _, y ->
          y |> G.add(1) |> G.hook("astray", to: G.bitwise_xor(bytes, 255))
        end)
      end)
      |> Davit.load()

    run = fn bytes ->
      Davit.run(program, [1, for(<<byte <- pad.(bytes)>>, into: <<>>, do: <<255 - byte>>)])
    end

    for bytes <- hostile do
      error = assert_raise EngineError, fn -> run.(bytes) end
      assert error.code == :destination_invalid
    end

    assert_raise ArgumentError, fn -> String.to_existing_atom(unheard) end
    assert {:messages, []} = Process.info(self(), :messages)
    assert [_] = run.(pid)
    for i <- 0..1, do: assert_received({:davit_hook, "astray", %{path: [^i]}})
  end

  describe "print" do
    test "goes to the group leader of the process that runs, on any node" do
      program = [@x] |> G.build(&(&1 |> G.add(1) |> G.print("x", label: "layer.0"))) |> Davit.load()
      expected = "x (layer.0): #Davit.Tensor<f32[2] [2.0, 3.0]>\n"
      assert Real.printed(fn -> Davit.run(program, [[1, 2]]) end) == expected

      assert Real.printed(fn -> program |> Davit.async([[1, 2]]) |> Task.await(:infinity) end) ==
               expected

      task = fn -> Task.await(Task.async(fn -> Davit.run(program, [[1, 2]]) end)) end
      assert Real.printed(task) == expected
      assert Real.printed(fn -> Davit.run(program, [[1, 2]], print: false) end) == ""
    end

    test "shows the elements and digits that it asks for, and the loop path" do
      graph = fn x ->
        G.for_loop(2, x, fn _, y -> y |> G.multiply(3) |> G.print("y", precision: 2, limit: 3) end)
      end

      printed =
        Real.printed(fn -> Real.compute([{:float32, {2, 2}}], graph, [[[1.111, 2], [3, 4]]]) end)

      assert printed == """
             y at [0]: #Davit.Tensor<f32[2][2] [[3.3, 6.0], [9.0, ...]]>
             y at [1]: #Davit.Tensor<f32[2][2] [[10.0, 18.0], [27.0, ...]]>
             """
    end

    test "breaks lines as inspect does, and shortens what is long" do
      graph = fn x -> G.print({x, G.sum(x)}) end
      tensor = Tensor.from_list(Enum.to_list(1..1000), :int32)
      printed = Real.printed(fn -> Real.compute([tensor.type], graph, [tensor]) end)
      assert printed == "print: #{inspect(tensor, pretty: true)}, #Davit.Tensor<s32 500500>\n"
      assert printed =~ "\n   41, 42, 43, 44, 45, 46, 47, 48, 49, 50, ...]\n>, "
    end
  end

  def external(event), do: send(self(), {:external, list(event)})
  def replaced(event), do: send(self(), {:replaced, list(event)})
  def double(event), do: Enum.map(list(event), &(&1 * 2))

  describe "a function" do
    test "of a hook is called at every run, by the process that runs" do
      me = self()

      program =
        [@scalar]
        |> G.build(fn x ->
          x = G.hook(x, fn event -> send(me, {:first, self(), list(event)}) end)

          y =
            G.for_loop(2, x, fn _, y ->
              y |> G.add(1) |> G.hook(&send(me, {:loop, &1.path, list(&1)}))
            end)

          G.cond(G.less(y, 0), fn -> G.hook(y, fn _ -> send(me, :not_taken) end) end, fn -> y end)
        end)
        |> Davit.load()

      assert [_] = Davit.run(program, [1])
      assert {:messages, messages} = Process.info(self(), :messages)
      assert messages == [{:first, self(), 1.0}, {:loop, [0], 2.0}, {:loop, [1], 3.0}]
      for _ <- messages, do: receive(do: (_ -> :ok))

      task = Task.async(fn -> Davit.run(program, [10]) end)
      Task.await(task)
      pid = task.pid
      assert_received {:first, ^pid, 10.0}
      # Its bytes hold no function.
      assert [_] = Davit.run(Davit.load(program.graph), [1])
      for _ <- 1..2, do: assert_received({:loop, _, _})
      assert {:messages, []} = Process.info(self(), :messages)
    end

    test "that is exported has an id, by which a run may replace it" do
      program = [@scalar] |> G.build(fn x -> G.hook(x, &__MODULE__.external/1) end) |> Davit.load()

      id = Hooks.Id.of(&__MODULE__.external/1)
      assert [%{id: ^id}] = Enum.filter(program.sites, &(&1.kind == :hook))
      Davit.run(program, [1])
      Davit.run(program, [2], hooks: [{&__MODULE__.external/1, &replaced/1}])
      Davit.run(program, [3], hooks: [{:all, &replaced/1}])
      assert {:messages, messages} = Process.info(self(), :messages)
      assert messages == [external: 1.0, replaced: 2.0, replaced: 3.0, external: 3.0]
    end

    test "of a callback returns the values that the program goes on with" do
      factor = 10

      graph = fn x ->
        G.for_loop(2, x, fn _, y ->
          y = G.callback(y, fn event -> Enum.map(list(event), &(&1 * factor)) end, @x)
          G.callback(y, &__MODULE__.double/1, @x)
        end)
      end

      assert Real.compute([@x], graph, [[1, 2]]) == [[400.0, 800.0]]
      half = fn event -> Enum.map(list(event), &(&1 / 2)) end
      calls = [{&__MODULE__.double/1, half}]
      assert Real.compute([@x], graph, [[1, 2]], callbacks: calls) == [[25.0, 50.0]]
      calls = [{{:id, Hooks.Id.slot(0)}, fn _ -> [0, 1] end}]
      assert Real.compute([@x], graph, [[1, 2]], callbacks: calls) == [[0.0, 2.0]]
    end

    test "that raises ends the run with its own exception and stack" do
      for graph <- [&G.hook(&1, fn _ -> raising() end), &G.callback(&1, fn _ -> raising() end, @x)] do
        program = [@x] |> G.build(graph) |> Davit.load()

        stack =
          try do
            Davit.run(program, [[1, 2]])
          rescue
            error in KeyError ->
              assert error.key == :missing
              __STACKTRACE__
          end

        assert Enum.any?(stack, &match?({__MODULE__, :raising, 0, _}, &1))
        assert {:messages, []} = Process.info(self(), :messages)
      end
    end
  end

  defp raising, do: raise(KeyError, key: :missing, term: %{})
end
