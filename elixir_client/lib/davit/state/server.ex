defmodule Davit.State.Server do
  @moduledoc false
  # The process that has the tensors of a `Davit.State`, and gives it to one process at a time. `tensors` is nil where they are
  # lost, and `lost` says why.

  use GenServer

  alias Davit.EngineError

  @impl true
  def init(tensors) do
    {:ok,
     %{
       tensors: tensors,
       count: length(tensors),
       # Others may have them: a step has to leave them as they are.
       shared: true,
       lost: nil,
       holder: nil,
       waiting: :queue.new()
     }}
  end

  @impl true
  def handle_call({:take, turn, timeout}, {pid, _} = from, state) do
    cond do
      match?(%{pid: ^pid}, state.holder) ->
        message = "the state is asked for inside its own `exclusive`; expected the held state"
        {:reply, {:error, error(:state_nested, message)}, state}

      state.holder == nil ->
        {:reply, {:ok, self()}, hold(state, turn, pid)}

      true ->
        timer = if timeout != :infinity, do: Process.send_after(self(), {:give_up, turn}, timeout)

        waiter = %{turn: turn, from: from, timer: timer, timeout: timeout}
        {:noreply, %{state | waiting: :queue.in(waiter, state.waiting)}}
    end
  end

  def handle_call({:give_back, turn}, _from, state), do: {:reply, :ok, give_back(state, turn)}

  def handle_call(message, _from, %{holder: holder} = state)
      when holder == nil or elem(message, 1) != holder.turn do
    message = "the state is used after the function of `exclusive` that had it"
    {:reply, {:error, error(:state_released, message)}, state}
  end

  def handle_call({:copy_in, _, tensors}, _from, %{count: count} = state) do
    if length(tensors) == count do
      {:reply, :ok, %{state | tensors: tensors, shared: true, lost: nil}}
    else
      message = "the state has #{count} tensors, got #{length(tensors)}"
      {:reply, {:error, ArgumentError.exception(message)}, state}
    end
  end

  # It is lost only where the tensors were given to the run.
  def handle_call({:failed, _, why}, _from, %{tensors: nil} = state),
    do: {:reply, :ok, %{state | lost: "a run on it failed: #{why}"}}

  def handle_call({:failed, _, _why}, _from, state), do: {:reply, :ok, state}

  def handle_call({:put, _, tensors}, _from, state),
    do: {:reply, :ok, %{state | tensors: tensors, shared: false, lost: nil}}

  def handle_call(_, _from, %{tensors: nil} = state) do
    message = "the state is lost: #{state.lost}; expected copy_in/2 before it is used again"
    {:reply, {:error, error(:state_lost, message)}, state}
  end

  def handle_call({:copy_out, _}, _from, state),
    do: {:reply, {:ok, state.tensors}, %{state | shared: true}}

  # Whether the run may have the memory of the tensors.
  def handle_call({:begin, _, on_failure}, _from, state),
    do: {:reply, {:ok, {state.tensors, on_failure == :lose and not state.shared}}, state}

  @impl true
  # The run is sent now. Until the new tensors are put, nothing is known of the old ones.
  def handle_cast({:donate, turn}, %{holder: %{turn: turn}} = state) do
    lost = "the process that ran a step on it ended before the step did"
    {:noreply, %{state | tensors: nil, lost: lost}}
  end

  # Of a turn that is over.
  def handle_cast({:donate, _}, state), do: {:noreply, state}

  @impl true
  def handle_info({:DOWN, _, :process, _, _}, %{holder: %{turn: turn}} = state),
    do: {:noreply, give_back(state, turn)}

  def handle_info({:give_up, turn}, state) do
    {late, waiting} = state.waiting |> :queue.to_list() |> Enum.split_with(&(&1.turn == turn))

    for %{from: from, timeout: timeout} <- late do
      GenServer.reply(
        from,
        {:error, error(:timeout, "the state was not free within #{timeout} ms")}
      )
    end

    {:noreply, %{state | waiting: :queue.from_list(waiting)}}
  end

  def handle_info(_, state), do: {:noreply, state}

  defp hold(state, turn, pid),
    do: %{state | holder: %{turn: turn, pid: pid, monitor: Process.monitor(pid)}}

  defp give_back(%{holder: %{turn: turn, monitor: monitor}} = state, turn) do
    Process.demonitor(monitor, [:flush])
    next(%{state | holder: nil})
  end

  defp give_back(state, _turn), do: state

  defp next(state) do
    case :queue.out(state.waiting) do
      {:empty, _} ->
        state

      {{:value, %{from: {pid, _} = from, turn: turn, timer: timer}}, waiting} ->
        if timer, do: Process.cancel_timer(timer)
        GenServer.reply(from, {:ok, self()})
        # One that has died meanwhile gives it back at once.
        hold(%{state | waiting: waiting}, turn, pid)
    end
  end

  defp error(code, message), do: %EngineError{code: code, message: message}
end
