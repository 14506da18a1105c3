defmodule Davit.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :davit,
      version: @version,
      elixir: "~> 1.14",
      elixirc_paths: elixirc_paths(Mix.env()),
      start_permanent: Mix.env() == :prod,
      deps: deps(),
      name: "Davit",
      description:
        "Runs MLX tensor programs in a process next to the VM, with hooks that stream values while they run",
      package: package(),
      docs: docs()
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

  defp package do
    [
      licenses: ["Apache-2.0"],
      links: %{"MLX" => "https://github.com/ml-explore/mlx"},
      files: ~w(lib mix.exs README.md LICENSE .formatter.exs)
    ]
  end

  # For ex_doc, in a checkout: the guides lie outside of the package.
  defp docs do
    [
      main: "readme",
      extras: [
        "README.md",
        "../docs/nx.md",
        "../docs/hooks.md",
        "../docs/debugging.md",
        "../docs/record.md",
        "../docs/ops.md",
        "../docs/performance.md",
        "../docs/architecture.md",
        "LICENSE"
      ],
      groups_for_extras: [Guides: ~r/\/docs\//],
      groups_for_modules: [
        Programs: [Davit, ~r/^Davit.Graph/, Davit.Program, Davit.Tensor, Davit.Type],
        Hooks: [~r/^Davit.Hooks/, Davit.Recording, Davit.Replay],
        Engines: [Davit.Engine, Davit.Engine.Command, Davit.EngineError, Davit.Telemetry],
        Nx: [~r/^Davit.(Backend|Compiler|Nx)/]
      ],
      groups_for_docs: [Ops: &(&1[:op] != nil)]
    ]
  end
end
