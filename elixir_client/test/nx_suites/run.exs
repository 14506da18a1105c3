# Runs tests of Nx, from the checkout that NX_PATH names, on Davit.Backend. From elixir_client, after MIX_ENV=test mix compile:
#
#     elixir -pa "_build/test/lib/*/ebin" test/nx_suites/run.exs [--compiler | --vm] [SUITE...]
#
# With --compiler, Davit takes the place of Nx.Defn.Evaluator, also where a test asks for that. With --vm, small operations are
# computed in the VM. Without names all suites run. The last line counts: "N passed, N failed, N skipped".

defmodule Davit.NxSuites.Results do
  # Counts tests. One that fails and is among the exceptions counts as skipped.
  use GenServer

  def start,
    do:
      Agent.start_link(fn -> %{passed: 0, failed: 0, skipped: 0, excepted: []} end,
        name: __MODULE__
      )

  def get, do: Agent.get(__MODULE__, & &1)

  @impl true
  def init(_), do: {:ok, nil}

  @impl true
  def handle_cast({:test_finished, test}, state) do
    case test.state do
      nil -> count(:passed)
      {:failed, _} -> failed(test)
      {:invalid, _} -> count(:failed)
      _skipped_or_excluded -> count(:skipped)
    end

    {:noreply, state}
  end

  def handle_cast(_, state), do: {:noreply, state}

  defp failed(test) do
    if Davit.NxSuites.exception(test.name) do
      count(:skipped)
      Agent.update(__MODULE__, &Map.update!(&1, :excepted, fn names -> [test.name | names] end))
    else
      count(:failed)
    end
  end

  defp count(kind), do: Agent.update(__MODULE__, &Map.update!(&1, kind, fn n -> n + 1 end))
end

defmodule Davit.NxSuites do
  # Names and the files they are in; a module has doctests.
  @suites [
    {"doctest", Nx},
    {"lin_alg.doctest", Nx.LinAlg},
    {"random.doctest", Nx.Random},
    {"nx", "nx_test.exs"},
    {"lin_alg", "nx/lin_alg_test.exs"},
    {"vectorize", "nx/vectorize_test.exs"},
    {"non_finite", "nx/non_finite_test.exs"},
    {"complex", "nx/complex_test.exs"},
    {"random", "nx/random_test.exs"},
    {"optional", "nx/optional_test.exs"},
    {"tensor", "nx/tensor_test.exs"},
    {"batch", "nx/batch_test.exs"},
    {"defn", "nx/defn_test.exs"},
    {"evaluator", "nx/defn/evaluator_test.exs"},
    {"runtime_call", "nx/defn/runtime_call_evaluator_test.exs"},
    {"grad", "nx/defn/grad_test.exs"},
    {"serving", "nx/serving_test.exs"}
  ]

  # Tests that fail for a reason that is no fault, see there.
  {exceptions, _} = __DIR__ |> Path.join("exceptions.exs") |> Code.eval_file()
  @exceptions exceptions

  # What only an evaluator can pass: it calls the functions of a backend of the test's own.
  @evaluator [
    "test jit uses the default backend on iota",
    "test optional callbacks (defn) calls the default impl if custom does not exist",
    "test inspect works with defn call for backend Elixir.Nx.OptionalTest.CustomImplTestBackend",
    "test inspect works with defn call for backend Elixir.Nx.OptionalTest.NonCustomImplTestBackend"
  ]

  def main(["--compiler" | names]) do
    :persistent_term.put({__MODULE__, :compiler}, true)
    {:ok, _} = Application.ensure_all_started(:nx)
    Nx.Defn.global_default_options(compiler: Davit)
    run(names, for(name <- @evaluator, do: {:test, String.to_atom(name)}))
  end

  # Small operations are computed in the VM.
  def main(["--vm" | names]) do
    :persistent_term.put({__MODULE__, :vm_bytes}, 256)
    main(names)
  end

  def main(names), do: run(names, [])

  defp run(names, exclude) do
    known = Enum.map(@suites, &elem(&1, 0))

    names -- known == [] ||
      raise "there is no suite #{hd(names -- known)}; expected one of #{Enum.join(known, ", ")}"

    {:ok, _} = Application.ensure_all_started([:davit, :nx])
    Application.put_env(:davit, :add_backend_on_inspect, false)
    File.cd!(System.fetch_env!("NX_PATH"))
    {:ok, _} = Davit.NxSuites.Results.start()

    ExUnit.start(
      autorun: false,
      formatters: [ExUnit.CLIFormatter, Davit.NxSuites.Results],
      exclude: [:distributed | exclude],
      assert_receive_timeout: 60_000,
      timeout: 600_000
    )

    for file <- Path.wildcard("test/support/*.ex"), do: compile(file)
    for {name, suite} <- @suites, names == [] or name in names, do: load(suite)

    vm_bytes = :persistent_term.get({__MODULE__, :vm_bytes}, 0)
    Nx.global_default_backend({Davit.Backend, vm_bytes: vm_bytes})
    ExUnit.run()
    report(Davit.NxSuites.Results.get())
  end

  defp report(%{passed: passed, failed: failed, skipped: skipped, excepted: excepted}) do
    for name <- Enum.sort(excepted), do: IO.puts("exception: #{name}: #{exception(name)}")
    IO.puts("#{passed} passed, #{failed} failed, #{skipped} skipped")
    System.halt(if failed == 0, do: 0, else: 1)
  end

  @doc "Why a test is an exception, or nil."
  def exception(name) do
    # Doctests are numbered, and the numbers change.
    name = name |> Atom.to_string() |> String.replace(~r/ \(\d+\)$/, "")
    @exceptions[name]
  end

  defp load(file) when is_binary(file), do: compile(Path.join("test", file))

  defp load(module) do
    Code.eval_quoted(
      quote do
        defmodule unquote(Module.concat(Davit.NxSuites, module)) do
          use ExUnit.Case, async: true
          doctest unquote(module)
        end
      end
    )
  end

  defp compile(path) do
    path
    |> File.read!()
    |> Code.string_to_quoted!(file: path)
    |> on_davit()
    |> Code.compile_quoted(path)
  end

  # The tests compare tensors by ==, which is their equality only where their bytes are at hand. And a module's attributes are
  # tensors that are there before any backend is chosen.
  defp on_davit({name, _, _} = numerical) when name in [:defn, :defnp], do: numerical

  defp on_davit({:alias, _, _} = directive), do: directive

  defp on_davit({:__aliases__, meta, names}) do
    if List.last(names) == :Evaluator and compiler?(),
      do: {:__aliases__, meta, [:Davit]},
      else: {:__aliases__, meta, names}
  end

  # The options of a serving are those by default, and what it adds.
  defp on_davit([{:batch_keys, _} = keys | options]) do
    compiler = if compiler?(), do: [compiler: {:__aliases__, [], [:Davit]}], else: []
    [keys | compiler ++ options]
  end

  defp on_davit({:when, meta, [head, guard]}), do: {:when, meta, [on_davit(head), guard]}

  defp on_davit({op, meta, [a, b]}) when op in [:==, :!=],
    do: {op, meta, [call(:home, on_davit(a)), call(:home, on_davit(b))]}

  defp on_davit({:@, _, [{_, _, context}]} = attribute) when is_atom(context),
    do: call(:there, attribute)

  defp on_davit({name, meta, arguments}), do: {on_davit(name), meta, on_davit(arguments)}
  defp on_davit({left, right}), do: {on_davit(left), on_davit(right)}
  defp on_davit(list) when is_list(list), do: Enum.map(list, &on_davit/1)
  defp on_davit(other), do: other

  defp compiler?, do: :persistent_term.get({__MODULE__, :compiler}, false)

  defp call(function, argument), do: {{:., [], [__MODULE__, function]}, [], [argument]}

  @doc "A term with its tensors on Nx.BinaryBackend."
  def home(term), do: walk(term, Nx.BinaryBackend)

  @doc "A term with its tensors on the default backend."
  def there(term), do: walk(term, elem(Nx.default_backend(), 0))

  defp walk(%Nx.Tensor{data: %backend{}} = tensor, to)
       when backend in [Nx.BinaryBackend, Davit.Backend],
       do: tensor |> Nx.backend_copy(to) |> one_nan(to)

  defp walk(%Nx.Tensor{} = tensor, _to), do: tensor

  defp walk(%_{} = struct, to),
    do: struct |> Map.from_struct() |> walk(to) |> then(&Map.merge(struct, &1))

  defp walk(map, to) when is_map(map),
    do: Map.new(map, fn {key, value} -> {key, walk(value, to)} end)

  defp walk([head | tail], to), do: [walk(head, to) | walk(tail, to)]

  defp walk(tuple, to) when is_tuple(tuple),
    do: tuple |> Tuple.to_list() |> walk(to) |> List.to_tuple()

  defp walk(other, _to), do: other

  # A NaN has many bits that mean the same.
  defp one_nan(%Nx.Tensor{type: {kind, _} = type} = tensor, Nx.BinaryBackend)
       when kind in [:f, :bf] do
    flat = %{tensor | vectorized_axes: [], shape: {Nx.size(Nx.devectorize(tensor))}, names: [nil]}
    if :nan in Nx.to_flat_list(flat), do: filled(tensor, Nx.to_flat_list(flat), type), else: tensor
  end

  defp one_nan(tensor, _to), do: tensor

  defp filled(tensor, numbers, type) do
    binary = Nx.tensor(numbers, type: type, backend: Nx.BinaryBackend)
    %{tensor | data: binary.data}
  end
end

Davit.NxSuites.main(System.argv())
