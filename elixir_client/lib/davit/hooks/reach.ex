defmodule Davit.Hooks.Reach do
  @moduledoc false
  # Checks which processes may receive a hook's values by way of a destination. A program can compute the bytes of a
  # destination, and system processes must not receive messages that they do not expect.

  # The applications whose processes count as system processes.
  @applications [:kernel, :stdlib, :sasl, :elixir, :logger, :davit]
  # The timeout for an answer of another node, in milliseconds.
  @patience 5_000

  @doc """
  Returns whether a pid is a process that may receive messages, a system process, or a process that cannot be reached. The
  calling process caches the answer for the last pid.
  """
  @spec of(pid) :: :process | :system | :none
  def of(pid) do
    case Process.get(__MODULE__) do
      {^pid, reach} ->
        reach

      _ ->
        reach = look(pid)
        # A process that cannot be reached now may be reached later.
        if reach != :none, do: Process.put(__MODULE__, {pid, reach})
        reach
    end
  end

  defp look(pid) do
    cond do
      node(pid) == node() -> judge(pid, &apply/3)
      # The bytes of a pid must not make this node connect to another.
      node(pid) in Node.list(:connected) -> judge(pid, &remote(node(pid), &1, &2, &3))
      true -> :none
    end
  end

  # Another node may not run Davit, but it has these functions.
  defp judge(pid, call) do
    init = call.(:erlang, :whereis, [:init])

    cond do
      pid in [init, call.(:erlang, :whereis, [:application_controller])] -> :system
      # Processes that start before any application, such as the code server, have this group leader.
      call.(:erlang, :process_info, [pid, :group_leader]) == {:group_leader, init} -> :system
      system_application?(call.(:application, :get_application, [pid])) -> :system
      true -> :process
    end
  catch
    # The other node is gone, or does not answer.
    :error, {:erpc, _} -> :none
  end

  defp remote(node, module, function, arguments),
    do: :erpc.call(node, module, function, arguments, @patience)

  defp system_application?({:ok, application}), do: application in @applications
  defp system_application?(:undefined), do: false
end
