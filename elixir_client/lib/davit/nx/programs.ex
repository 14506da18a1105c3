defmodule Davit.Nx.Programs do
  @moduledoc false
  # Programs by what they were made of, so that the next call of the kind finds its own. Those that are not used are forgotten.

  use GenServer

  alias Davit.{Engine.Session, Program, Type}
  alias Davit.Nx.Generations

  @table __MODULE__
  # Plans of a generation.
  @most 2048

  @typedoc "What a run needs of a program; `:host` where there is no program, since the operation is to be computed in this VM."
  @type plan ::
          %{
            id: pos_integer,
            token: binary,
            engine: Davit.Engine.name(),
            instance: pos_integer,
            outputs: [{Type.t(), bytes :: non_neg_integer}]
          }
          | :host

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "The plan of the key. Where there is none, `make` makes the program, and both are kept."
  @spec fetch(term, (() -> Program.t() | :host)) :: plan
  def fetch(key, make) do
    # The program stays in the table: it is large to copy.
    Generations.young_value(@table, key) || older(key, make)
  end

  defp older(key, make) do
    case Generations.find(@table, key) do
      {_, plan, _} ->
        plan

      nil ->
        program = make.()
        plan(program) |> tap(&Generations.put(@table, {key, &1, program}))
    end
  end

  defp plan(:host), do: :host

  defp plan(program) do
    program
    |> Map.take([:id, :token, :engine, :instance])
    |> Map.put(:outputs, Enum.map(program.outputs, &{&1, Type.byte_size(&1)}))
  end

  @doc "The session in which the key's program is to be run. The program is loaded again if its engine was started again."
  @spec session(term, (() -> Program.t())) :: Session.t()
  def session(key, make) do
    program =
      case Generations.find(@table, key) do
        {_, _, program} -> program
        nil -> make.()
      end

    session = Program.session!(program)
    plan = %{plan(program) | instance: session.instance}
    Generations.put(@table, {key, plan, program})
    session
  end

  @impl true
  def init(_) do
    Generations.create(@table, @most)
    {:ok, nil}
  end

  @impl true
  def handle_call(:age, _from, state) do
    Generations.age(@table)
    # Hibernation collects the garbage, which would keep forgotten programs in their engines.
    {:reply, :ok, state, :hibernate}
  end

  @impl true
  # No message is meant for this process.
  def handle_info(_, state), do: {:noreply, state}
end
