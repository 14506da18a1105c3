defmodule Davit.RealEngine.RecordingTest do
  use ExUnit.Case, async: false
  @moduletag :engine

  alias Davit.{EngineError, Recording, Replay, Tensor}
  alias Davit.Hooks.Event
  alias Davit.Graph, as: G

  setup_all do
    :ok = Davit.Engine.await()
    on_exit(fn -> Davit.Engine.stop() end)
  end

  setup do
    folder =
      Path.join(
        System.tmp_dir!(),
        "davit-recording-#{System.unique_integer([:positive])}-#{System.pid()}"
      )

    File.mkdir_p!(folder)
    on_exit(fn -> File.rm_rf!(folder) end)
    %{folder: folder}
  end

  # x + 1, labelled and hooked, in a loop.
  defp program do
    G.build([{:float32, {2}}], fn x ->
      G.for_loop(3, x, fn _, x -> x |> G.add(1, label: "step") |> G.hook("seen") end)
    end)
    |> Davit.load()
  end

  defp run(program, input) do
    [output] = Davit.run(program, [input])
    Tensor.to_list(output)
  end

  # What `davit diff` says of two recordings, and its exit code.
  defp diff(a, b) do
    {:ok, davit, arguments} = Davit.Engine.Command.find([])
    System.cmd(davit, List.delete(arguments, "port") ++ ["diff", a, b], stderr_to_stdout: true)
  end

  test "davit diff compares recordings", %{folder: folder} do
    program = program()
    [a, again, b] = for name <- ~w(a again b), do: Path.join(folder, "#{name}.rec")

    for {path, input} <- [{a, [1, 2]}, {again, [1, 2]}, {b, [1, 3]}] do
      {:ok, recording} = Recording.start(path, [{:probe, "st?p"}, "seen"])
      assert run(program, input) == Enum.map(input, &(&1 + 3.0))
      assert {:ok, 6} = Recording.stop(recording)
    end

    run(program, [7, 7])
    assert {same, 0} = diff(a, again)
    assert same =~ "No difference."
    assert {different, 1} = diff(a, b)
    assert different =~ "First difference: step [0], float32[2], element [1]"
  end

  # Runs `davit` on a graph of this client with one float32[] as its input.
  defp davit(folder, graph, input, arguments) do
    path = Path.join(folder, "g.davit")
    File.write!(path, G.to_binary(graph))
    # The header of a .npy file fills 128 bytes.
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (), }"
    head = <<0x93, "NUMPY", 1, 0, 118::little-16>>
    npy = [head, String.pad_trailing(header, 117), "\n", <<input::float-little-32>>]
    File.write!(Path.join(folder, "x.npy"), npy)
    {:ok, davit, own} = Davit.Engine.Command.find([])
    own = List.delete(own, "port") ++ ["run", path, "--input", Path.join(folder, "x.npy")]
    System.cmd(davit, own ++ arguments, stderr_to_stdout: true)
  end

  # Asks in a loop, and once more in a branch of it.
  defp asking do
    type = {:float32, {}}

    G.build([type], fn x ->
      G.for_loop(3, x, fn i, y ->
        y = y |> G.callback("ask", type) |> G.hook("answer", label: "step.answer")
        G.cond(G.equal(i, 1), fn -> G.callback(y, "more", type) end, fn -> y end)
      end)
    end)
  end

  test "replies of Elixir handlers are replayed by the command davit, without handlers", %{
    folder: folder
  } do
    program = Davit.load(asking())
    number = &Davit.Hooks.Event.to_list/1
    calls = [{"ask", &(number.(&1) * 10)}, {"more", &(number.(&1) + 0.5)}]
    [recorded, again] = for name <- ~w(a again), do: Path.join(folder, "#{name}.rec")
    {:ok, recording} = Recording.start(recorded)
    # 1: 10, 100 and 100.5, 1005.
    assert [result] = Davit.run(program, [1], callbacks: calls)
    assert Tensor.to_list(result) == 1005.0
    # Three hooks and four replies.
    assert {:ok, 7} = Recording.stop(recording)

    assert {without, 1} = davit(folder, asking(), 1.0, [])
    assert without =~ "handler_missing"
    assert {replayed, 0} = davit(folder, asking(), 1.0, ["--replay", recorded, "--record", again])
    assert replayed =~ "array(1005, dtype=float32)"
    assert {same, 0} = diff(recorded, again)
    assert same =~ "No difference."
  end

  test "a replay answers the calls of Elixir runs", %{folder: folder} do
    program = Davit.load(asking())
    path = Path.join(folder, "replies.rec")
    {:ok, recording} = Recording.start(path, [])

    for more <- [0.5, 0.25] do
      calls = [{"ask", fn _ -> 3 end}, {"more", fn _ -> more end}]
      Davit.run(program, [1], callbacks: calls)
    end

    {:ok, 8} = Recording.stop(recording)
    {:ok, replay} = Replay.open(path)
    assert inspect(replay) == "#Davit.Replay<path: #{inspect(path)}, ...>"
    me = self()
    # Hooks go on as ever; a run without the replay has its own handlers.
    hooks = [{"answer", &send(me, {&1.path, &1.run, Event.to_list(&1)})}]
    [first] = Davit.run(program, [1], replay: replay, hooks: hooks)
    assert Tensor.to_list(first) == 3.0
    assert_received {[0], _, 3.0}

    other = [{"ask", fn _ -> 7 end}, {"more", fn _ -> 8 end}]
    assert [seven] = Davit.run(program, [1], callbacks: other)
    assert Tensor.to_list(seven) == 7.0

    Davit.run(program, [1], replay: replay)
    missing = assert_raise EngineError, fn -> Davit.run(program, [1], replay: replay) end
    assert %{code: :replay_missing} = missing
    assert Exception.message(missing) =~ ~s(no reply for the call "ask")
    assert {:ok, 8} = Replay.close(replay)

    stopped = assert_raise EngineError, fn -> Davit.run(program, [1], replay: replay) end
    assert %{code: :recording_unknown} = stopped
    assert {:error, %EngineError{code: :recording_unknown}} = Replay.close(replay)
  end

  test "a replay of a missing file, of another engine, or of another term is an error", %{
    folder: folder
  } do
    path = Path.join(folder, "empty.rec")
    assert {:error, %EngineError{} = error} = Replay.open(path)
    assert Exception.message(error) =~ "empty.rec"
    {:ok, recording} = Recording.start(path)
    {:ok, 0} = Recording.stop(recording)

    start_supervised!({Davit.Engine, name: __MODULE__.Other})
    {:ok, theirs} = Replay.open(path, engine: __MODULE__.Other)
    program = Davit.load(asking())

    assert_raise EngineError, ~r/opened in engine 1 of .*Other/, fn ->
      Davit.run(program, [1], replay: theirs)
    end

    assert_raise ArgumentError, ~r/expected :replay to be a Davit.Replay, got "a.rec"/, fn ->
      Davit.run(program, [1], replay: "a.rec")
    end
  end

  test "the command runs, probes and records a graph of this client", %{folder: folder} do
    graph =
      G.build([{:float32, {}}], fn x ->
        G.for_loop(2, x, fn _, y -> y |> G.add(1, label: "enc.0") |> G.log(label: "enc.1") end)
      end)

    [good, bad] = for name <- ~w(good bad), do: Path.join(folder, "#{name}.rec")
    probe = ["--probe", "enc.?", "--record"]
    assert {_, 0} = davit(folder, graph, 1.0, probe ++ [good])
    assert {_, 0} = davit(folder, graph, -1.0, probe ++ [bad])
    assert {different, 1} = diff(good, bad)
    assert different =~ "First difference: enc.0 [0], float32[], element []"
    # What the command recorded and what this client records is the same.
    here = Path.join(folder, "here.rec")
    {:ok, recording} = Recording.start(here, {:probe, "enc.*"})
    Davit.run(Davit.load(graph), [1])
    assert {:ok, 4} = Recording.stop(recording)
    assert {_, 0} = diff(good, here)
    assert {shown, 0} = davit(folder, graph, 1.0, ["--probe", "enc.0", "--values"])
    assert shown =~ ~r/enc\.0 \[0\].*\narray\(2, dtype=float32\)/
  end

  test "all hooks are recorded by default", %{folder: folder} do
    {:ok, recording} = Recording.start(Path.join(folder, "all.rec"))
    run(program(), [1, 2])
    assert {:ok, 3} = Recording.stop(recording)
    assert {:error, %EngineError{code: code}} = Recording.stop(recording)
    assert to_string(code) == "recording_unknown"
  end

  test "a file that cannot be written is an error, and an invalid match raises", %{folder: folder} do
    assert {:error, %EngineError{message: message}} =
             Recording.start(Path.join(folder, "no/such/folder/a.rec"))

    assert message =~ "a.rec"

    assert_raise ArgumentError, ~r/as a match/, fn ->
      Recording.start(Path.join(folder, "a.rec"), {:lable, "x"})
    end
  end
end
