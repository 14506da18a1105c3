defmodule Davit.Nx.Programs do
  @moduledoc false
  # Programs by what they were made of, so that the next call of the kind finds its own. There are so many at most: when a
  # generation is full, what the one before it holds is forgotten unless it was used since.

  use GenServer

  alias Davit.{Engine.Session, Program, Type}

  @table __MODULE__
  # Plans of a generation.
  @most 2048

  @typedoc "What a run needs of a program; `:host` where there is none, since it is to be computed here."
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

  @doc "The plan of the key; its program is made and kept where there is none."
  @spec fetch(term, (() -> Program.t() | :host)) :: plan
  def fetch(key, make) do
    # The program stays in the table: it is large to copy.
    :ets.lookup_element(@table, {:young, key}, 2)
  rescue
    ArgumentError -> older(key, make)
  end

  defp older(key, make) do
    program =
      case :ets.lookup(@table, {:old, key}) do
        [{_, _, program}] -> program
        [] -> make.()
      end

    plan = plan(program)
    :ets.insert(@table, {{:young, key}, plan, program})
    if :ets.update_counter(@table, :count, 1) >= @most, do: GenServer.call(__MODULE__, :age)
    plan
  end

  defp plan(:host), do: :host

  defp plan(program) do
    program
    |> Map.take([:id, :token, :engine, :instance])
    |> Map.put(:outputs, Enum.map(program.outputs, &{&1, Type.byte_size(&1)}))
  end

  @doc "The session in which the key's program is to be run: it is loaded there, where its engine was started again."
  @spec session(term, (() -> Program.t())) :: Session.t()
  def session(key, make) do
    program =
      case :ets.lookup(@table, {:young, key}) do
        [{_, _, program}] -> program
        [] -> make.()
      end

    session = Program.session!(program)
    plan = %{plan(program) | instance: session.instance}
    :ets.insert(@table, {{:young, key}, plan, program})
    session
  end

  @impl true
  def init(_) do
    :ets.new(@table, [:named_table, :public, read_concurrency: true])
    :ets.insert(@table, {:count, 0})
    {:ok, nil}
  end

  @impl true
  def handle_call(:age, _from, state) do
    # Others may have asked for the same.
    if :ets.lookup_element(@table, :count, 2) >= @most do
      :ets.match_delete(@table, {{:old, :_}, :_, :_})
      young = :ets.match_object(@table, {{:young, :_}, :_, :_})

      for {{:young, key}, plan, program} <- young,
          do: :ets.insert(@table, {{:old, key}, plan, program})

      :ets.match_delete(@table, {{:young, :_}, :_, :_})
      :ets.insert(@table, {:count, 0})
    end

    # The collector counts who holds the programs' tokens: garbage would count.
    {:reply, :ok, state, :hibernate}
  end

  @impl true
  # Nobody sends this one anything: what comes is not for it.
  def handle_info(_, state), do: {:noreply, state}
end
