defmodule Bench.Worker do
  # Serves the requests of ../../worker.ts: a measure's name and its numbers, answered by samples.

  @doc "Serves them until the port ends. `measures` are modules and functions by their names."
  def start(measures) do
    [node, repository | _] = System.argv()
    :persistent_term.put({Bench, :node}, node)
    :persistent_term.put({Bench, :repository}, repository)
    loop(Port.open({:fd, 3, 4}, [:binary, :eof, {:packet, 4}]), measures)
  end

  defp loop(port, measures) do
    receive do
      {^port, {:data, request}} ->
        [name | numbers] = String.split(request)
        :erlang.garbage_collect()
        Port.command(port, answer(measures, name, Enum.map(numbers, &String.to_integer/1)))
        loop(port, measures)

      {^port, :eof} ->
        System.halt(0)
    end
  end

  defp answer(measures, name, numbers) do
    {module, function} = Map.fetch!(measures, name)
    samples = apply(module, function, numbers)
    ["ok" | Enum.map(samples, &[" ", to_string(&1)])]
  catch
    kind, reason -> ["error ", Exception.format(kind, reason, __STACKTRACE__)]
  end
end
