defmodule Davit.Run.Loop do
  @moduledoc false
  # The runs of one call while they are under way. The calling process sends them, executes their handlers while it waits, and
  # collects their results. When the call returns or raises, nothing of it is left in the mailbox, the table of routes or the
  # engine.

  alias Davit.{EngineError, Frame, Msgpack, Run, Tensor}
  alias Davit.Engine.{Exchange, Request, Routes, Session}
  alias Davit.Hooks.{Event, Feed, Site}
  alias Davit.Run.{Handlers, Inputs}

  # The most runs of one call, and the most requests of all callers, that are under way at once: an engine refuses more than
  # 65,536 requests. Each call has at least one run under way.
  @window 64
  @most 32_768
  # Credit of this many bytes is returned at once.
  @return_at 256 * 1024

  @doc "Runs the program once for each list of inputs. Returns the outputs of each run, in order."
  @spec execute(Run.t(), [[Inputs.input()]]) :: [[Tensor.t()]]
  def execute(run, inputs) do
    # `pending`: the position and outputs of each run under way, by its request. `done`: the outputs of completed runs, by
    # position. `held`: a run and its credit that has to be returned for events.
    state = %{exchange: nil, pending: %{}, done: %{}, count: 0, inputs: inputs, held: nil}
    start = &next(refill(%{state | exchange: &1}, run), run)

    outputs =
      Exchange.converse(run.session, start, fn
        :timeout, state -> next(idle(run, state), run)
        frame, state -> next(take(Frame.decode(frame), run, state), run)
      end)

    Feed.settle(run.program)
    outputs
  end

  defp next(%{pending: pending, inputs: []} = state, _run) when pending == %{},
    do: {:done, for(index <- 0..(state.count - 1)//1, do: Map.fetch!(state.done, index))}

  defp next(%{held: nil} = state, run), do: {:wait, Run.left(run), state}
  defp next(state, _run), do: {:wait, 0, state}

  defp idle(run, %{held: nil}), do: raise(expired(run))
  defp idle(run, state), do: return_credit(state, run)

  defp expired(run), do: Request.timeout(run.timeout, "run")

  defp refill(%{inputs: [inputs | rest], pending: pending} = state, run) do
    if pending == %{} or
         (map_size(pending) < @window and Routes.size(run.session.routes) < @most) do
      case Run.start_one(run, state.exchange, inputs) do
        {:ok, request, outputs} ->
          pending = Map.put(pending, request, {state.count, outputs})
          refill(%{state | pending: pending, count: state.count + 1, inputs: rest}, run)

        {:error, error} ->
          raise error
      end
    else
      state
    end
  end

  defp refill(state, _run), do: state

  defp take({:ok, request, ["ok", %{"values" => values}], attachments}, run, state) do
    {{index, outputs}, pending} = Map.pop!(state.pending, request)
    Exchange.finish(state.exchange, request)
    done = Map.put(state.done, index, Run.outputs(outputs, values, attachments))
    # A completed run needs no credit.
    held = with {^request, _} <- state.held, do: nil
    refill(%{state | pending: pending, done: done, held: held}, run)
  end

  defp take({:ok, request, ["error", error], _}, run, state) do
    Exchange.finish(state.exchange, request)
    Feed.settle(run.program)
    raise EngineError.from_wire(error)
  end

  defp take({:ok, request, message, attachments}, run, state) do
    bytes = handle(message, request, attachments, run)
    # The handlers may have used up the time.
    if Run.left(run) == 0, do: raise(expired(run))
    hold(state, run, request, bytes)
  end

  defp take({:error, why}, _run, _state), do: raise(Request.protocol(why))

  # Credit is returned when no other frame has arrived, or when there is much of it. Often the run's answer comes first, and
  # then it need not be returned at all.
  defp hold(state, _run, _request, 0), do: state

  defp hold(%{held: nil} = state, run, request, bytes) do
    state = %{state | held: {request, bytes}}
    if bytes >= @return_at, do: return_credit(state, run), else: state
  end

  defp hold(%{held: {request, held}} = state, run, request, bytes),
    do: hold(%{state | held: nil}, run, request, held + bytes)

  defp hold(state, run, request, bytes),
    do: state |> return_credit(run) |> hold(run, request, bytes)

  defp return_credit(%{held: {request, bytes}} = state, run) do
    Session.notify(run.session, request, ["consumed", bytes])
    %{state | held: nil}
  end

  # Calls the handlers. Returns the credit that the message takes.
  defp handle(["events", events, cost], request, attachments, run) do
    sites = run.program.by_number
    events = Event.decode(events, attachments, sites, run.handlers.slices)

    as_parent(run, request, fn ->
      Enum.each(events, fn {index, event} -> Handlers.event(run.handlers, index, event) end)
    end)

    cost
  end

  defp handle(["callback", callback, number, seq, path], request, values, run)
       when is_map_key(run.program.by_number, number) do
    %Site{types: results} = site = Map.fetch!(run.program.by_number, number)

    {operands, attachments, alive} =
      as_parent(run, request, fn ->
        event = Handlers.call_event(site, request, seq, path, values)
        what = &"value #{&1} of the handler of #{Site.title(site)}"
        run.handlers |> Handlers.call(event, results) |> Inputs.to_wire(results, run.session, what)
      end)

    # After the timeout, the run is gone.
    if Run.left(run) > 0 do
      header = Msgpack.encode(["reply", request, callback, operands])
      # If the engine is gone, the error arrives as a message.
      _ = Session.send_frame(run.session, Frame.encode(0, header, attachments))
    end

    Tensor.touch(alive)
    0
  end

  defp handle([type | _], _, _, _),
    do: raise(Request.protocol("a run got an unexpected message #{inspect(type)}"))

  # Calls handlers. Runs that they make on the same engine have this run as their parent, so they do not queue behind it.
  defp as_parent(run, request, fun) do
    key = Run.parent_key(run.session.name)
    outer = Process.put(key, {run.session.instance, request})

    try do
      fun.()
    after
      if outer, do: Process.put(key, outer), else: Process.delete(key)
    end
  end
end
