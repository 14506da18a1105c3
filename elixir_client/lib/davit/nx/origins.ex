defmodule Davit.Nx.Origins do
  @moduledoc false
  # Where in a user's source the latest operations were called. That an operation failed is noticed when a value is read, which may
  # be far from the call. A table holds the latest operations, each with the stack of its caller.

  alias Davit.EngineError

  @table __MODULE__
  @latest 4096

  @doc "Creates the table. It belongs to the process that calls this."
  @spec create_table() :: :ok
  def create_table do
    :ets.new(@table, [:named_table, :public, write_concurrency: true])
    :ok
  end

  @doc "Notes the operation that a request runs, with the caller's stack."
  @spec note(Davit.Engine.name(), pos_integer, term) :: true
  def note(engine, request, operation) do
    {:current_stacktrace, stack} = :erlang.process_info(self(), :current_stacktrace)
    :ets.insert(@table, {rem(request, @latest), engine, request, operation, stack})
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
      [{_, ^engine, ^run, operation, stack}] ->
        %{error | message: "#{error.message}; it is #{operation}#{place(stack)}"}

      _ ->
        error
    end
  end

  defp explained(_engine, error), do: error

  # The first entry that is neither Nx's nor of this library.
  defp place(stack) do
    case Enum.find(stack, &users?/1) do
      nil -> ""
      entry -> ", called at " <> Exception.format_stacktrace_entry(entry)
    end
  end

  defp users?({module, _, _, _}) do
    case Atom.to_string(module) do
      "Elixir.Nx" -> false
      "Elixir.Nx." <> _ -> false
      "Elixir.Davit.Nx." <> _ -> false
      "Elixir.Davit.Backend" -> false
      "Elixir.Davit.Compiler" <> _ -> false
      "Elixir.Enum" -> false
      "Elixir." <> _ -> true
      erlang -> erlang not in ["lists", "maps", "erlang"]
    end
  end
end
