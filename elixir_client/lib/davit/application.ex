defmodule Davit.Application do
  @moduledoc false
  use Application

  alias Davit.Engine.OsProcesses

  @impl true
  def start(_type, _args) do
    OsProcesses.create_table()
    Davit.Nx.Origins.create_table()
    # The default engine is added as a child when it is needed.
    children = [
      OsProcesses,
      {Registry, keys: :unique, name: Davit.Hooks.Registry},
      Davit.Nx.Programs,
      Davit.Nx.Answers,
      Davit.Nx.Compiler.Cache
    ]

    Supervisor.start_link(children, strategy: :one_for_one, name: Davit.Supervisor)
  end
end
