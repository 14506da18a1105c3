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

  def cli, do: [preferred_envs: ["davit.record": :test]]

  # Nx and Kino are optional. Who depends on Davit brings them, from Hex (a dependency is compiled for :prod); in this checkout they,
  # and what is tested with them, are the checkouts that variables name, if any.
  @optional [
    {:nx, "~> 0.12", "NX_PATH"},
    {:kino, "~> 0.14", "KINO_PATH"},
    {:kino_vega_lite, "~> 0.1.11", "KINO_VEGA_LITE_PATH"}
  ]
  @development [
    {:axon, "AXON_PATH", only: :test},
    {:polaris, "POLARIS_PATH", only: :test},
    # Of the checkouts of Kino.
    {:table, "TABLE_PATH", optional: true},
    {:vega_lite, "VEGA_LITE_PATH", optional: true},
    {:ex_doc, "EX_DOC_PATH", only: :dev, runtime: false}
  ]

  defp deps do
    for({name, version, variable} <- @optional, do: optional(name, version, variable))
    |> Enum.concat(
      for({name, variable, options} <- @development, do: checkout(name, variable, options))
    )
    |> Enum.reject(&is_nil/1)
  end

  defp optional(name, version, variable) do
    from_hex? = Mix.env() == :prod and Code.ensure_loaded?(Hex)
    checkout(name, variable, optional: true) || if from_hex?, do: {name, version, optional: true}
  end

  # It also takes the place of another one of the name, which a checkout depends on.
  defp checkout(name, variable, options) do
    with path when path != nil <- System.get_env(variable),
         do: {name, [path: path, override: true] ++ options}
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
        "../docs/models.md",
        "../docs/store.md",
        "../docs/debugging.md",
        "../docs/record.md",
        "../docs/ops.md",
        "../docs/performance.md",
        "../docs/architecture.md",
        "LICENSE"
      ],
      # It names modules that only its reader in a checkout looks up, and examples that are in a checkout alone.
      skip_undefined_reference_warnings_on: ["../docs/architecture.md", "../docs/debugging.md"],
      groups_for_extras: [Guides: ~r/\/docs\//],
      groups_for_modules: [
        Programs: [
          Davit,
          ~r/^Davit.Graph/,
          Davit.ImportedFunction,
          Davit.Program,
          Davit.State,
          Davit.Tensor,
          Davit.Type
        ],
        Models: [Davit.Model, Davit.Embedder, Davit.Generator, Davit.Generator.Snapshot],
        Hooks: [~r/^Davit.Hooks/, Davit.Recording, Davit.Replay],
        Engines: [Davit.Engine, Davit.Engine.Command, Davit.EngineError, Davit.Telemetry],
        Nx: [~r/^Davit.(Backend|Compiler|Kino|Nx)/]
      ],
      groups_for_docs: [Ops: &(&1[:op] != nil)]
    ]
  end
end
