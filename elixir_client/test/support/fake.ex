defmodule Davit.Fake do
  @moduledoc false
  # Engines and programs of test/support/fake_engine.mjs.

  import ExUnit.Callbacks

  @script Path.expand("fake_engine.mjs", __DIR__)

  @doc "Starts a fake engine for one test; gives its name."
  def start(arguments \\ [], options \\ []) do
    name = options[:name] || :"fake_#{System.unique_integer([:positive])}"
    command = ["node", @script | arguments]
    # A word, so that no `port` is added.
    command = if arguments == [], do: command ++ ["normal"], else: command
    options = Keyword.merge(options, name: name, command: command)
    start_supervised!({Davit.Engine, options}, id: name)
    name
  end

  @doc "A program that does what the name says, with parameters of the types."
  def program(engine, name, types \\ [{:float32, {16}}], options \\ []) do
    graph = %Davit.Graph{functions: [%{name: name, parameters: types, nodes: [], results: []}]}
    Davit.load(graph, [engine: engine] ++ options)
  end

  @doc "Stops the process of an engine, which `continue/1` resumes, and waits until it has stopped."
  def pause(session) do
    pid = signal(session, "STOP")
    # One that is stopped would outlive a test that fails.
    on_exit({__MODULE__, pid}, fn -> System.cmd("kill", ["-CONT", pid], stderr_to_stdout: true) end)
    stopped? = fn -> match?({"T" <> _, 0}, System.cmd("ps", ["-o", "state=", "-p", pid])) end
    eventually(stopped?)
  end

  @doc "Resumes the process of an engine."
  def continue(session), do: signal(session, "CONT")

  defp signal(session, name) do
    {:os_pid, pid} = Port.info(session.port, :os_pid)
    {_, 0} = System.cmd("kill", ["-#{name}", "#{pid}"])
    "#{pid}"
  end

  @doc """
  Calls `fun` until it gives something true: for what sends no message, such as memory that the VM gives up.
  """
  def eventually(fun, deadline \\ System.monotonic_time(:millisecond) + 10_000) do
    cond do
      result = fun.() ->
        result

      System.monotonic_time(:millisecond) < deadline ->
        receive(after: (2 -> eventually(fun, deadline)))

      true ->
        ExUnit.Assertions.flunk("it did not come true")
    end
  end
end
