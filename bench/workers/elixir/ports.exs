defmodule Bench.Ports do
  # Bare ports: what is below any figure of an engine behind one.

  @bytes :binary.copy(<<1.0::float-little-32>>, 16)
  @window 512

  def executable, do: :persistent_term.get({Bench, :node})
  def path(path), do: Path.join(:persistent_term.get({Bench, :repository}), path)

  @doc "Microseconds of each of so many calls."
  def timed(count, function) do
    for _ <- 1..count do
      start = System.monotonic_time(:nanosecond)
      function.()
      (System.monotonic_time(:nanosecond) - start) / 1000
    end
  end

  @doc "What `create` gives, the first time that `key` is asked for."
  def once(key, create) do
    Process.get(key) ||
      with created = create.() do
        Process.put(key, created)
        created
      end
  end

  @doc "64 bytes to a port that sends them back: microseconds each."
  def echo(count) do
    port = once(:echo, &open_echo/0)
    timed(count, fn -> call(port) end)
  end

  defp open_echo do
    args = [path("port/examples/echo.mjs"), "4"]
    port = open([:binary, {:packet, 4}, :nouse_stdio, args: args])
    call(port)
    port
  end

  defp open(options), do: Port.open({:spawn_executable, executable()}, options)

  defp call(port) do
    Port.command(port, @bytes)

    receive do
      {^port, {:data, @bytes}} -> :ok
    end
  end

  @doc "The same without waiting for one before the next is sent: messages a second."
  def pipelined(count) do
    port = once(:echo, &open_echo/0)
    [time] = timed(1, fn -> pipeline(port, count, 0) end)
    [count / (time / 1.0e6)]
  end

  defp pipeline(_port, 0, 0), do: :ok

  defp pipeline(port, left, waiting) when left > 0 and waiting < @window do
    Port.command(port, @bytes)
    pipeline(port, left - 1, waiting + 1)
  end

  defp pipeline(port, left, waiting) do
    receive do
      {^port, {:data, @bytes}} -> pipeline(port, left, waiting - 1)
    end
  end

  @doc "Milliseconds from spawn until the echo port has answered, and ended."
  def echo_ready(count) do
    milliseconds(count, fn -> Port.close(open_echo()) end)
  end

  @doc "Milliseconds from spawn to exit of a Node that does nothing."
  def node_ready(count) do
    milliseconds(count, fn ->
      port = open([:exit_status, args: ["-e", "0"]])

      receive do
        {^port, {:exit_status, 0}} -> :ok
      end
    end)
  end

  def milliseconds(count, function), do: for(time <- timed(count, function), do: time / 1000)
end
