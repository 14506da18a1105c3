defmodule Davit.MixProject do
  use Mix.Project

  def project do
    [
      app: :davit,
      version: "0.1.0",
      elixir: "~> 1.14",
      elixirc_paths: elixirc_paths(Mix.env()),
      start_permanent: Mix.env() == :prod,
      deps: deps(),
      description: "MLX tensor programs in a process next to the VM, with hooks that stream values",
      package: [
        licenses: ["Apache-2.0"],
        links: %{},
        files: ~w(lib mix.exs README.md .formatter.exs)
      ]
    ]
  end

  def application do
    [extra_applications: [:logger, :crypto], mod: {Davit.Application, []}]
  end

  # Nx is optional. Who depends on Davit brings it, from Hex (a dependency is compiled for :prod); in this checkout it is the
  # one that NX_PATH names, if any.
  defp deps do
    cond do
      path = System.get_env("NX_PATH") -> [{:nx, path: path, optional: true}]
      Mix.env() == :prod and Code.ensure_loaded?(Hex) -> [{:nx, "~> 0.12", optional: true}]
      true -> []
    end
  end

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]
end
