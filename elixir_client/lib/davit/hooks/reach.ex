defmodule Davit.Hooks.Reach do
  @moduledoc false
  # Who may be sent a hook's values by a destination. A program can compute the bytes of a destination, and processes of the
  # system have to get no messages but their own.

  # Their processes keep a node alive.
  @applications [:kernel, :stdlib, :sasl, :elixir, :logger, :davit]
  # For an answer of another node, in milliseconds.
  @patience 5_000

  @doc """
  Tells what a pid stands for: a process that may be sent something, one of the system, or one that cannot be reached. The
  process that was asked about last is remembered in the calling one.
  """
  @spec of(pid) :: :process | :system | :none
  def of(pid) do
    case Process.get(__MODULE__) do
      {^pid, reach} ->
        reach

      _ ->
        reach = look(pid)
        # Where there is none, there may be one later.
        if reach != :none, do: Process.put(__MODULE__, {pid, reach})
        reach
    end
  end

  defp look(pid) do
    cond do
      node(pid) == node() -> judge(pid, &apply/3)
      # Nobody may make this node connect to another.
      node(pid) in Node.list(:connected) -> judge(pid, &remote(node(pid), &1, &2, &3))
      true -> :none
    end
  end

  # The node of another process may run no Davit, but it has these functions.
  defp judge(pid, call) do
    init = call.(:erlang, :whereis, [:init])

    cond do
      pid in [init, call.(:erlang, :whereis, [:application_controller])] -> :system
      # As that of what runs before any application, such as the code's loader.
      call.(:erlang, :process_info, [pid, :group_leader]) == {:group_leader, init} -> :system
      system_application?(call.(:application, :get_application, [pid])) -> :system
      true -> :process
    end
  catch
    # The other node went away, or does not answer.
    :error, {:erpc, _} -> :none
  end

  defp remote(node, module, function, arguments),
    do: :erpc.call(node, module, function, arguments, @patience)

  defp system_application?({:ok, application}), do: application in @applications
  defp system_application?(:undefined), do: false
end
