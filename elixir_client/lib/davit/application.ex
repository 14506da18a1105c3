defmodule Davit.Application do
  @moduledoc false
  use Application

  @impl true
  def start(_type, _args) do
    # Engines that are started on demand are children too.
    children = [{Registry, keys: :unique, name: Davit.Hooks.Registry}]
    Supervisor.start_link(children, strategy: :one_for_one, name: Davit.Supervisor)
  end
end
