defmodule Davit.Nx.Origins do
  @moduledoc false
  # Where in a user's source the latest operations were called. That an operation failed is noticed when a value is read, which may
  # be far from the call. A table holds the latest operations, each with the entry of the stack that is the user's: a whole stack
  # takes longer to copy than all else of recording an operation.

  alias Davit.EngineError

  @table __MODULE__
  @latest 4096

  @doc "Creates the table. It belongs to the process that calls this."
  @spec create_table() :: :ok
  def create_table do
    :ets.new(@table, [:named_table, :public, write_concurrency: true])
    :ok
  end

  @doc "Notes the operation that a request runs, a callback of `Nx.Backend` or the module of a block, and where it was called."
  @spec note(Davit.Engine.name(), pos_integer, atom) :: true
  def note(engine, request, operation) do
    {:current_stacktrace, stack} = :erlang.process_info(self(), :current_stacktrace)
    :ets.insert(@table, {rem(request, @latest), engine, request, operation, users_entry(stack)})
  end

  @doc "Runs `fun`; an error of an operation says which one it was, and the line that called it."
  @spec explain(Davit.Engine.name(), (() -> result)) :: result when result: term
  def explain(engine, fun) do
    fun.()
  rescue
    error in EngineError -> reraise explained(engine, error), __STACKTRACE__
  end

  defp explained(engine, %EngineError{run: run} = error) when is_integer(run) do
    case :ets.lookup(@table, rem(run, @latest)) do
      [{_, ^engine, ^run, operation, entry}] ->
        %{error | message: "#{error.message}; it is #{title(operation)}#{place(entry)}"}

      _ ->
        error
    end
  end

  defp explained(_engine, error), do: error

  @doc """
  What an operation is called in errors and labels.

      iex> {Davit.Nx.Origins.title(:add), Davit.Nx.Origins.title(Nx.Block.Take)}
      {"Nx.add", "Nx.Block.Take"}
  """
  @spec title(atom) :: String.t()
  def title(operation) do
    case Atom.to_string(operation) do
      "Elixir." <> module -> module
      name -> "Nx.#{name}"
    end
  end

  defp place(nil), do: ""
  defp place(entry), do: ", called at " <> Exception.format_stacktrace_entry(entry)

  # The first entry that is neither Nx's nor of this library.
  defp users_entry([]), do: nil
  defp users_entry([entry | stack]), do: if(users?(entry), do: entry, else: users_entry(stack))

  # Every operation has these on its stack, and to look at a name takes longer.
  defp users?({module, _, _, _})
       when module in [__MODULE__, Davit.Nx.Recorder, Davit.Nx.Eager, Davit.Nx.Value] or
              module in [Davit.Backend, Nx, Nx.Shared],
       do: false

  defp users?({module, _, _, _}) do
    case Atom.to_string(module) do
      "Elixir.Nx." <> _ -> false
      "Elixir.Davit.Nx." <> _ -> false
      "Elixir.Davit.Compiler" <> _ -> false
      "Elixir.Enum" -> false
      "Elixir." <> _ -> true
      erlang -> erlang not in ["lists", "maps", "erlang"]
    end
  end
end
