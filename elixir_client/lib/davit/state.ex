defmodule Davit.State do
  @moduledoc """
  Tensors that change, and that one process has at a time, such as the keys and values of attention.

      {:ok, state} = Davit.State.start_link([Davit.Tensor.from_list([0.0, 0.0], :f32)])
      # The program takes the state's tensors first, and returns the new ones first.
      [sum] = Davit.State.run(state, add, [[1.0, 2.0]])

  The tensors stay in the engine, and a run computes the new ones in the memory of the old ones where it can: a step that
  writes a few values into a large tensor costs no copy. A tensor of `copy_out/1` has to keep its values, so the step after it
  copies.

  A state belongs to a process: it ends with the process that started it, and its tensors are freed then. `exclusive/3` holds it
  over several steps. A process that dies while it holds a state gives it back.

  A run that fails, or whose process is killed, may have changed the memory: the state is lost, and all that use it get the error
  `:state_lost`, until `copy_in/2` sets it anew. With `on_failure: :restore` the state stays as it was, at the price of a copy for
  each step.
  """

  alias Davit.{Options, Program, Run, Tensor}
  alias Davit.Engine.Request
  alias Davit.State.Server

  @derive {Inspect, only: [:state]}
  @enforce_keys [:state, :turn]
  defstruct @enforce_keys

  @typedoc "A state that the calling process holds, inside of `exclusive/3`."
  @opaque held :: %__MODULE__{state: pid, turn: reference}

  @doc "Returns how a supervisor starts a state: `{Davit.State, tensors}`, or `{Davit.State, {tensors, options}}`."
  @spec child_spec([Tensor.t()] | {[Tensor.t()], keyword}) :: Supervisor.child_spec()
  def child_spec({tensors, options}),
    do: %{id: options[:name] || __MODULE__, start: {__MODULE__, :start_link, [tensors, options]}}

  def child_spec(tensors), do: child_spec({tensors, []})

  @doc """
  Starts a state with the given tensors, in the process `:name` if that option is given. The tensors of the caller stay as they are.
  """
  @spec start_link([Tensor.t()], keyword) :: GenServer.on_start()
  def start_link(tensors, options \\ []) do
    Options.check!(options, [:name])
    GenServer.start_link(Server, check_tensors!(tensors), options)
  end

  @doc """
  Runs a program whose first inputs are the state's tensors and whose first outputs are the new ones. `inputs` are the others;
  the other outputs are returned. It has the options of `Davit.run/3`, apart from `:donate` and `:keep`, and `:on_failure`, `:lose`
  (the default) or `:restore`. `:timeout` counts the waiting for the state too.

  Raises `Davit.EngineError`.
  """
  @spec run(GenServer.server() | held, Program.t(), [Davit.input()], keyword) :: [Tensor.t()]
  def run(state, program, inputs, options \\ [])

  def run(%__MODULE__{} = held, program, inputs, options) do
    valid? = &(&1 in [:lose, :restore])
    on_failure = Options.get!(options, :on_failure, :lose, ":lose or :restore", valid?)
    {tensors, donate?} = call!(held, {:begin, held.turn, on_failure})
    count = length(tensors)
    donated = if donate?, do: Enum.to_list(0..(count - 1)//1), else: []

    options = options |> Keyword.delete(:on_failure) |> Keyword.merge(keep: true, donate: donated)

    # A run that is not sent, because of an invalid argument for example, leaves the tensors as they are.
    sending = fn -> if donate?, do: GenServer.cast(held.state, {:donate, held.turn}) end

    try do
      check_program!(program, tensors)
      [outputs] = Run.many(program, [tensors ++ inputs], options, sending)
      {new, results} = Enum.split(outputs, count)
      :ok = call!(held, {:put, held.turn, new})
      results
    rescue
      error ->
        call!(held, {:failed, held.turn, Exception.message(error)})
        reraise error, __STACKTRACE__
    end
  end

  def run(state, program, inputs, options) do
    deadline = options |> Request.timeout!() |> Davit.Deadline.new()

    exclusive(
      state,
      fn held ->
        left = Davit.Deadline.left(deadline)
        run(held, program, inputs, Keyword.put(options, :timeout, left))
      end,
      timeout: Davit.Deadline.left(deadline)
    )
  end

  @doc """
  Calls a function with the held state, for `run/4`, `copy_out/1` and `copy_in/2`. Others wait until it returns, in the order
  in which they asked. A process that asks again inside of it raises.

  Options: `:timeout`, how long to wait for the state, in milliseconds, default `:infinity`. Raises `Davit.EngineError` with the code
  `:timeout`.
  """
  @spec exclusive(GenServer.server(), (held -> result), keyword) :: result when result: term
  def exclusive(state, fun, options \\ []) when is_function(fun, 1) do
    Options.check!(options, [:timeout])
    timeout = Request.timeout!(options)
    turn = make_ref()

    case GenServer.call(state, {:take, turn, timeout}, :infinity) do
      {:ok, pid} ->
        try do
          fun.(%__MODULE__{state: pid, turn: turn})
        after
          GenServer.call(pid, {:give_back, turn}, :infinity)
        end

      {:error, error} ->
        raise error
    end
  end

  @doc "Returns the state's tensors. As long as they are referred to, the next step has to copy."
  @spec copy_out(GenServer.server() | held) :: [Tensor.t()]
  def copy_out(%__MODULE__{} = held), do: call!(held, {:copy_out, held.turn})
  def copy_out(state), do: exclusive(state, &copy_out/1)

  @doc "Sets the state anew: as many tensors, whose types may be others."
  @spec copy_in(GenServer.server() | held, [Tensor.t()]) :: :ok
  def copy_in(%__MODULE__{} = held, tensors),
    do: call!(held, {:copy_in, held.turn, check_tensors!(tensors)})

  def copy_in(state, tensors), do: exclusive(state, &copy_in(&1, tensors))

  defp check_tensors!(tensors) do
    if is_list(tensors) and tensors != [] and Enum.all?(tensors, &is_struct(&1, Tensor)),
      do: tensors,
      else: raise(ArgumentError, "expected a list of tensors, got #{inspect(tensors)}")
  end

  defp check_program!(program, tensors) do
    types = Enum.map(tensors, & &1.type)
    count = length(types)

    unless Enum.take(program.inputs, count) == types and length(program.outputs) >= count do
      raise ArgumentError,
            "expected a program that takes #{show(types)} first, which the state has, and returns #{count} new ones; " <>
              "it takes #{show(program.inputs)} and returns #{show(program.outputs)}"
    end
  end

  defp show(types), do: Enum.map_join(types, ", ", &Davit.Type.format/1)

  defp call!(%__MODULE__{state: state}, message) do
    case GenServer.call(state, message, :infinity) do
      {:ok, value} -> value
      :ok -> :ok
      {:error, %{__exception__: true} = error} -> raise error
    end
  end
end
