defmodule Davit.Nx.AnswersTest do
  use ExUnit.Case, async: true

  alias Davit.{Engine, Fake, Frame, Msgpack}
  alias Davit.Engine.{Routes, Session}
  alias Davit.Nx.Answers

  @request 1_000_000

  # Sends a run whose answer is expected. Its request has the same number in every engine.
  defp run(engine, name) do
    session = Engine.session!(engine)
    program = Fake.program(engine, name)

    message = [
      "run",
      Session.queue(session),
      program.id,
      [["inline", ["f32", [16]], 0]],
      [nil],
      %{}
    ]

    Answers.expect(session, @request)
    frame = Frame.encode(@request, Msgpack.encode(message), [<<0::512>>])
    :ok = Session.send_frame(session, frame)
    session
  end

  # A process that waits for the answer; it has begun to wait when this returns.
  defp waiter(session) do
    task = Task.async(fn -> Answers.wait(session, @request) end)
    Fake.eventually(fn -> waiting(task.pid) end)
    task
  end

  defp waiting(pid) do
    waiting = :sys.get_state(Answers).waiting
    Enum.any?(waiting, fn {_, {_, froms}} -> Enum.any?(froms, &match?({^pid, _}, &1)) end)
  end

  test "a process waits until its run is answered" do
    engine = Fake.start()
    session = run(engine, "echo")
    assert :ok = Answers.wait(session, @request)
    # Nothing is kept of it.
    refute Routes.member?(session.routes, @request)
  end

  test "requests of different engines may have the same number" do
    [one, two] = for name <- ["hang", "echo"], do: run(Fake.start(), name)
    assert :ok = Answers.wait(two, @request)
    task = waiter(one)
    stop_supervised!(one.name)
    assert Task.await(task) == :ok
  end

  test "a process does not wait any longer when the engine ends or is stopped" do
    for stop <- [
          &Process.exit(Engine.Part.whereis(&1, :owner), :kill),
          fn engine ->
            assert_raise Davit.EngineError, fn ->
              Davit.run(Fake.program(engine, "kill"), [<<0::512>>])
            end
          end,
          &stop_supervised!/1
        ] do
      engine = Fake.start()
      task = engine |> run("hang") |> waiter()
      stop.(engine)
      assert Task.await(task) == :ok
    end
  end
end
