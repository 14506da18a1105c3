defmodule Davit.Real do
  @moduledoc false
  # Programs on the real engine.

  alias Davit.{Engine, Graph, Tensor}

  @doc "Builds, loads and runs a graph; gives its outputs as lists."
  def compute(types, fun, inputs, options \\ []) do
    types
    |> Graph.build(fun)
    |> Davit.load(Keyword.take(options, [:engine]))
    |> Davit.run(inputs, options)
    |> Enum.map(&Tensor.to_list/1)
  end

  @doc "Starts an engine for one test, with arguments for its command; gives its name."
  def start(arguments \\ [], options \\ []) do
    name = :"real_#{System.unique_integer([:positive])}"
    {:ok, path, command} = Engine.Command.find([])
    options = [name: name, command: [path | command] ++ arguments] ++ options
    ExUnit.Callbacks.start_supervised!({Engine, options}, id: name)
    :ok = Engine.await(name)
    name
  end

  @doc "Kills the process of an engine, and waits until another one serves."
  def restart(engine) do
    pid = pid(engine)
    {_, 0} = System.cmd("kill", ["-9", "#{pid}"])
    Davit.Fake.eventually(fn -> pid(engine) not in [nil, pid] end)
  end

  defp pid(engine) do
    Engine.info(engine)["engine"]["pid"]
  rescue
    Davit.EngineError -> nil
  end

  @doc "What is in the mailbox, oldest first."
  def flush do
    receive do
      message -> [message | flush()]
    after
      0 -> []
    end
  end

  @doc "Runs `fun` in a process whose group leader keeps what it prints; gives that."
  def printed(fun) do
    {:ok, io} = StringIO.open("")

    Task.await(
      Task.async(fn ->
        Process.group_leader(self(), io)
        fun.()
      end)
    )

    {:ok, {"", printed}} = StringIO.close(io)
    printed
  end
end
