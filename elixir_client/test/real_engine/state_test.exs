defmodule Davit.RealEngine.StateTest do
  use ExUnit.Case, async: false
  @moduletag :engine

  alias Davit.Graph, as: G
  alias Davit.{Engine, EngineError, Real, State, Tensor}

  @large 4 * 1024 * 1024

  # Adds its input to the state, and returns the sum before.
  defp adder(engine) do
    type = {:float32, {2}}
    graph = G.build([type, type], fn sum, x -> [G.add(sum, x), G.multiply(sum, 10.0)] end)
    Davit.load(graph, engine: engine)
  end

  # Writes a value at a position of a tensor.
  defp writer(engine) do
    types = [{:float32, {@large}}, {:float32, {1}}, {:int32, {1}}]

    types
    |> G.build(fn x, value, at -> [G.dynamic_slice_update(x, value, at, axes: [0])] end)
    |> Davit.load(engine: engine)
  end

  defp zeros(engine),
    do: Tensor.from_binary(<<0::size(@large * 32)>>, {:float32, {@large}}, engine: engine)

  defp values(state), do: state |> State.copy_out() |> Enum.map(&Tensor.to_list/1)
  defp pair(a, b), do: Tensor.from_list([a, b], :f32)
  defp peak(engine), do: Engine.info(engine)["memory"]["peak"]

  test "a donated input is gone, and a result is computed in its memory" do
    engine = Real.start()
    write = writer(engine)
    x = zeros(engine)
    [y] = Davit.run(write, [x, [1.0], [0]], donate: [0])
    assert_raise EngineError, ~r/there is no tensor/, fn -> Tensor.to_binary(x) end
    before = peak(engine)

    last =
      Enum.reduce(1..20, y, fn n, y ->
        [y] = Davit.run(write, [y, [n * 1.0], [n]], donate: [0])
        y
      end)

    assert peak(engine) - before < @large * 4

    assert <<1.0::float-32-little, 1.0::float-32-little, 2.0::float-32-little, _::binary>> =
             Tensor.to_binary(last)

    assert_raise ArgumentError, ~r/positions of the program's 3 inputs.*got \[3\]/, fn ->
      Davit.run(write, [last, [0.0], [0]], donate: [3])
    end
  end

  test "a state is changed in place" do
    engine = Real.start()
    write = writer(engine)
    {:ok, state} = State.start_link([zeros(engine)])
    [] = State.run(state, write, [[1.0], [0]])
    before = peak(engine)
    for n <- 1..20, do: [] = State.run(state, write, [[n * 1.0], [n]])
    assert peak(engine) - before < @large * 4
    [[first, second, third | _]] = values(state)
    assert {first, second, third} == {1.0, 1.0, 2.0}
  end

  test "leaves the tensors alone that others have" do
    engine = Real.start()
    add = adder(engine)
    first = Tensor.from_list([1.0, 2.0], :f32, engine: engine, place: :engine)
    {:ok, state} = State.start_link([first])
    [_] = State.run(state, add, [[1.0, 1.0]])
    [second] = State.copy_out(state)
    [_] = State.run(state, add, [[1.0, 1.0]])
    third = Tensor.from_list([7.0, 7.0], :f32, engine: engine, place: :engine)
    assert values(state) == [[3.0, 4.0]]
    State.copy_in(state, [third])
    [_] = State.run(state, add, [[1.0, 1.0]])

    assert Enum.map([first, second, third], &Tensor.to_list/1) == [
             [1.0, 2.0],
             [2.0, 3.0],
             [7.0, 7.0]
           ]

    assert values(state) == [[8.0, 8.0]]
  end

  test "one process has it at a time, in the order of asking, over several steps" do
    engine = Real.start()
    add = adder(engine)
    {:ok, state} = State.start_link([pair(0.0, 0.0)])

    tasks =
      for _ <- 1..8 do
        Task.async(fn ->
          for _ <- 1..10 do
            State.exclusive(state, fn held ->
              [[before, _]] = held |> State.copy_out() |> Enum.map(&Tensor.to_list/1)
              [_] = State.run(held, add, [[1.0, 0.0]])
              [_] = State.run(held, add, [[1.0, 1.0]])
              [[later, _]] = held |> State.copy_out() |> Enum.map(&Tensor.to_list/1)
              assert later == before + 2
            end)
          end
        end)
      end

    Task.await_many(tasks, :infinity)
    assert values(state) == [[160.0, 80.0]]
    assert [result] = State.run(state, add, [[1.0, 1.0]])
    assert Tensor.to_list(result) == [1600.0, 800.0]
  end

  test "is given back by a process that dies, and waited for as long as one wants" do
    engine = Real.start()
    add = adder(engine)
    {:ok, state} = State.start_link([pair(0.0, 0.0)])
    test = self()

    holder =
      spawn(fn ->
        State.exclusive(state, fn _ ->
          send(test, :held)
          receive(do: (:never -> :ok))
        end)
      end)

    assert_receive :held
    late = assert_raise EngineError, fn -> State.run(state, add, [[1.0, 1.0]], timeout: 10) end
    assert late.code == :timeout
    waiting = Task.async(fn -> State.run(state, add, [[1.0, 1.0]]) end)
    Process.exit(holder, :kill)
    assert [_] = Task.await(waiting)
    assert values(state) == [[1.0, 1.0]]
  end

  test "is lost by a run that fails, until it is set anew; not by a wrong call" do
    engine = Real.start()
    type = {:float32, {2}}

    fails =
      [type]
      |> G.build(fn x -> [G.callback(x, fn _ -> raise "no" end, type)] end)
      |> Davit.load(engine: engine)

    add = adder(engine)
    {:ok, state} = State.start_link([pair(1.0, 2.0)])
    assert_raise ArgumentError, fn -> State.run(state, add, []) end
    other = Davit.load(G.build([{:int32, {}}], fn x -> [x] end), engine: engine)
    assert_raise ArgumentError, ~r/program that takes f32/, fn -> State.run(state, other, []) end
    assert_raise RuntimeError, "no", fn -> State.run(state, fails, [], on_failure: :restore) end
    assert values(state) == [[1.0, 2.0]]

    stuck =
      Davit.load(G.build([type], fn x -> [G.while(x, &G.all(G.less(&1, 1.0e9)), & &1)] end),
        engine: engine
      )

    [_] = State.run(state, add, [[0.0, 0.0]])
    failure = catch_error(State.run(state, stuck, [], timeout: 100))
    assert failure.code == :timeout
    lost = assert_raise EngineError, fn -> State.run(state, add, [[1.0, 1.0]]) end
    assert {lost.code, lost.message =~ "copy_in/2"} == {:state_lost, true}
    assert State.copy_in(state, [pair(5.0, 5.0)]) == :ok
    assert values(state) == [[5.0, 5.0]]
  end

  test "is lost by a handler that raises while its tensors are given to the run" do
    engine = Real.start()
    type = {:float32, {@large}}
    write = writer(engine)
    {:ok, state} = State.start_link([zeros(engine)])
    [] = State.run(state, write, [[1.0], [0]])

    # These are not sent.
    assert_raise ArgumentError, fn -> State.run(state, write, [[1.0]]) end

    assert_raise ArgumentError, ~r/:queue/, fn ->
      State.run(state, write, [[1.0], [0]], queue: 0)
    end

    [] = State.run(state, write, [[2.0], [1]])
    assert [[1.0, 2.0 | _]] = values(state)
    [] = State.run(state, write, [[3.0], [2]])

    fails =
      [type]
      |> G.build(fn x -> [x, G.callback(G.sum(x), fn _ -> raise "no" end, {:float32, {}})] end)
      |> Davit.load(engine: engine)

    assert_raise RuntimeError, "no", fn -> State.run(state, fails, []) end
    lost = assert_raise EngineError, fn -> State.copy_out(state) end
    assert {lost.code, lost.message =~ "failed: no"} == {:state_lost, true}
  end

  test "refuses options that are invalid" do
    {:ok, state} = State.start_link([pair(1.0, 2.0)])
    program = adder(Real.start())

    for {option, value} <- [timeout: :soon, timeout: -1, on_failure: :keep] do
      assert_raise ArgumentError, ~r/#{inspect(option)}/, fn ->
        State.run(state, program, [[1.0, 1.0]], [{option, value}])
      end
    end

    assert values(state) == [[1.0, 2.0]]
  end

  test "is not used outside of its turn, nor asked for within" do
    {:ok, state} = State.start_link([pair(1.0, 2.0)])
    held = State.exclusive(state, & &1)
    released = assert_raise EngineError, fn -> State.copy_out(held) end
    assert released.code == :state_released

    nested =
      assert_raise EngineError, fn ->
        State.exclusive(state, fn _ -> State.copy_out(state) end)
      end

    assert nested.code == :state_nested
    assert values(state) == [[1.0, 2.0]]

    assert_raise ArgumentError, ~r/has 1 tensors, got 2/, fn ->
      State.copy_in(state, [pair(1, 2), pair(1, 2)])
    end
  end

  test "ends with the process that started it, and frees its tensors" do
    engine = Real.start()
    test = self()

    owner =
      spawn(fn ->
        {:ok, state} = State.start_link([zeros(engine)])
        send(test, {:state, state})
        receive(do: (:stop -> :ok))
      end)

    assert_receive {:state, state}, 10_000
    monitor = Process.monitor(state)
    Process.exit(owner, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}

    Davit.Fake.eventually(fn ->
      Engine.reclaim(engine)
      Engine.info(engine)["tensors"] == 0
    end)
  end
end
