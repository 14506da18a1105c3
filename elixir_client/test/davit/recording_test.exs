defmodule Davit.RecordingTest do
  use ExUnit.Case, async: false
  @moduletag :engine

  alias Davit.{EngineError, Recording, Tensor}
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

  test "what was recorded is compared by davit diff", %{folder: folder} do
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

  test "all hooks are recorded where nothing is said", %{folder: folder} do
    {:ok, recording} = Recording.start(Path.join(folder, "all.rec"))
    run(program(), [1, 2])
    assert {:ok, 3} = Recording.stop(recording)
    assert {:error, %EngineError{code: code}} = Recording.stop(recording)
    assert to_string(code) == "recording_unknown"
  end

  test "a file that cannot be written, and what is no match", %{folder: folder} do
    assert {:error, %EngineError{message: message}} =
             Recording.start(Path.join(folder, "no/such/folder/a.rec"))

    assert message =~ "a.rec"

    assert_raise ArgumentError, ~r/as a match/, fn ->
      Recording.start(Path.join(folder, "a.rec"), {:lable, "x"})
    end
  end
end
