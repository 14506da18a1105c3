defmodule Davit.MixProject do
  use Mix.Project

  def project do
    [
      app: :davit,
      version: "0.1.0",
      elixir: "~> 1.14",
      elixirc_paths: elixirc_paths(Mix.env()),
      start_permanent: Mix.env() == :prod,
      deps: [],
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

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]
end
