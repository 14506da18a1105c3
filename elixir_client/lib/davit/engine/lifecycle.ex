defmodule Davit.Engine.Lifecycle do
  @moduledoc false
  # The states of an engine. `step/2` is a pure function from a state and an event to the next state and a list of actions,
  # which `Davit.Engine.Owner` carries out in order.
  #
  #          start             ready             hello
  #     ┌──────────▶ opened ──────────▶ greeted ──────────▶ up
  #     │              │                   │                │
  #     │              └─────────┬─────────┴────────────────┘
  #     │                        │ ended
  #     │                        ▼
  #     │             ╭─ starts again soon? ─╮
  #     │         yes │                      │ no
  #     │             ▼                      ▼
  #     └───────── retrying                down ───▶ (start: opened)
  #
  #   * `:retrying`: no operating system process runs; one is about to be started. Callers wait. The first state.
  #   * `:opened`: the process runs, and has to say `ready`.
  #   * `:greeted`: the engine was sent `hello`, and has to answer.
  #   * `:up`: the session is known to callers.
  #   * `:down`: starting failed repeatedly, and is tried again after a delay. Callers get the error, apart from those that
  #     wait through failed starts.
  #
  # A start that fails is an end as well: it leads to `:retrying` or `:down`. What a state does not expect changes nothing.

  alias Davit.{Deadline, EngineError}
  alias Davit.Engine.{Backoff, Session}

  defstruct state: :retrying,
            instance: 0,
            # The number of starts since the engine was last stable, and whether this one answered anything.
            attempt: 0,
            served: false,
            # In milliseconds of monotonic time.
            up_at: nil,
            # The text of the engine's `bye`.
            bye: nil,
            error: nil,
            waiting: []

  @type t :: %__MODULE__{
          state: :retrying | :opened | :greeted | :up | :down,
          instance: non_neg_integer,
          attempt: non_neg_integer,
          served: boolean,
          up_at: integer | nil,
          bye: String.t() | nil,
          error: EngineError.t() | nil,
          waiting: [waiting]
        }

  @typedoc "A call that waits for the session. One that is patient waits through failed starts."
  @type waiting :: {GenServer.from(), patient :: boolean, Deadline.t()}

  @typedoc """
  What happened. `now` is monotonic time in milliseconds, `at` the time of day as text.

    * `:start`: the owner starts, or the delay of `{:start_in, ...}` is over;
    * `{:opened, instance}`, `{:not_opened, instance, error, now}`: how the action `:open` went;
    * `:ready`, `{:hello, hello, now}`: the engine said `ready`, and answered `hello`;
    * `:served`: the engine answered a request;
    * `{:bye, text}`: the engine announced its end;
    * `{:ended, how, now, at}`: the process exited, or did what makes it useless;
    * `{:start_timeout, how, now, at}`: the time for a start is over;
    * `{:await, waiting}`: a caller asks for the session.
  """
  @type event ::
          :start
          | {:opened, pos_integer}
          | {:not_opened, pos_integer, EngineError.t(), now :: integer}
          | :ready
          | {:hello, map, now :: integer}
          | :served
          | {:bye, String.t()}
          | {:ended, how :: String.t(), now :: integer, at :: String.t()}
          | {:start_timeout, how :: String.t(), now :: integer, at :: String.t()}
          | {:await, waiting}

  @typedoc """
  What the owner has to do.

    * `:open`: start the operating system process, and report how that went;
    * `:greet`: send `hello`;
    * `{:publish, hello}`: make the session known to callers and feeds;
    * `{:withdraw, death}`: take the session away, close the port, and remember how this engine ended;
    * `{:fail_requests, error}`: answer all requests under way with the error;
    * `{:start_in, delay, error}`: report the error, and send `:start` after the delay in milliseconds;
    * `{:reply, froms, answer}`: answer callers, with the session or an error.
  """
  @type action ::
          :open
          | :greet
          | {:publish, map}
          | {:withdraw, death :: String.t()}
          | {:fail_requests, EngineError.t()}
          | {:start_in, non_neg_integer, EngineError.t()}
          | {:reply, [GenServer.from()], :session | {:error, EngineError.t()}}

  @doc "Returns the next state, and what the owner has to do."
  @spec step(t, event) :: {t, [action]}
  def step(%{state: state} = lifecycle, :start) when state in [:retrying, :down],
    do: {lifecycle, [:open]}

  def step(%{state: state} = lifecycle, {:opened, instance}) when state in [:retrying, :down],
    do: {opening(lifecycle, :opened, instance), []}

  def step(%{state: state} = lifecycle, {:not_opened, instance, error, now})
      when state in [:retrying, :down],
      do: lifecycle |> opening(state, instance) |> start_again(error, now)

  def step(%{state: :opened} = lifecycle, :ready), do: {%{lifecycle | state: :greeted}, [:greet]}

  def step(%{state: :greeted} = lifecycle, {:hello, hello, now}) do
    froms = for {from, _, _} <- Enum.reverse(lifecycle.waiting), do: from
    lifecycle = %{lifecycle | state: :up, up_at: now, error: nil, waiting: []}
    {lifecycle, [{:publish, hello}, {:reply, froms, :session}]}
  end

  def step(%{state: state} = lifecycle, :served) when state in [:opened, :greeted, :up],
    do: {%{lifecycle | served: true}, []}

  def step(%{state: state} = lifecycle, {:bye, text}) when state in [:opened, :greeted, :up],
    do: {%{lifecycle | bye: text}, []}

  def step(%{state: state} = lifecycle, {:ended, how, now, at})
      when state in [:opened, :greeted, :up],
      do: ended(lifecycle, how, now, at)

  def step(%{state: state} = lifecycle, {:start_timeout, how, now, at})
      when state in [:opened, :greeted],
      do: ended(lifecycle, how, now, at)

  def step(%{state: :up} = lifecycle, {:await, {from, _, _}}),
    do: {lifecycle, [{:reply, [from], :session}]}

  def step(%{state: :down} = lifecycle, {:await, {from, false, _}}),
    do: {lifecycle, [{:reply, [from], {:error, lifecycle.error}}]}

  def step(lifecycle, {:await, waiting}),
    do: {%{lifecycle | waiting: [waiting | lifecycle.waiting]}, []}

  def step(lifecycle, _unexpected), do: {lifecycle, []}

  defp opening(lifecycle, state, instance),
    do: %{lifecycle | state: state, instance: instance, served: false, up_at: nil, bye: nil}

  defp ended(%{instance: instance, bye: bye} = lifecycle, how, now, at) do
    how = if bye, do: "#{how} after saying #{bye}", else: how
    death = "#{how} at #{at}"
    error = %EngineError{code: :engine_down, message: "engine #{instance} #{death}"}
    {lifecycle, actions} = start_again(lifecycle, error, now)
    # The session goes first: a caller that gets its error is not to find the session again.
    {lifecycle, [{:withdraw, death}, {:fail_requests, Session.lost(instance, death)} | actions]}
  end

  defp start_again(%{served: served, up_at: up_at} = lifecycle, error, now) do
    # An engine that never came up was never stable, however long that took.
    up = if up_at, do: now - up_at, else: 0
    {delay, attempt} = Backoff.next(lifecycle.attempt, served, up)
    lifecycle = %{lifecycle | attempt: attempt, error: error}
    start = {:start_in, delay, error}

    if delay == 0 or served do
      {%{lifecycle | state: :retrying}, [start]}
    else
      {patient, others} = Enum.split_with(lifecycle.waiting, &elem(&1, 1))
      # Callers whose deadline is over have gone.
      waiting = Enum.filter(patient, fn {_, _, deadline} -> deadline > now end)
      froms = for {from, _, _} <- Enum.reverse(others), do: from
      {%{lifecycle | state: :down, waiting: waiting}, [start, {:reply, froms, {:error, error}}]}
    end
  end

  @doc "Returns the state as `Davit.Engine.status/1` names it."
  @spec status(t) :: :starting | :up | :down
  def status(%{state: state}) when state in [:up, :down], do: state
  def status(_), do: :starting
end
