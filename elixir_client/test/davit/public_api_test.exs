defmodule Davit.PublicApiTest do
  # What a reader of the documentation sees.
  use ExUnit.Case, async: true

  alias Davit.Graph.OpTable

  @project Path.expand("../..", __DIR__)

  setup_all do
    {:ok, modules} = :application.get_key(:davit, :modules)
    %{docs: for(module <- modules, docs = docs(module), do: {module, docs})}
  end

  # The documentation of a module that has some.
  defp docs(module) do
    case Code.fetch_docs(module) do
      {:docs_v1, _, _, _, %{"en" => _}, _, docs} -> docs
      _ -> nil
    end
  end

  test "every documented module has a group, and what a group names is documented", %{docs: docs} do
    documented = for {module, _} <- docs, do: module
    groups = Mix.Project.config()[:docs][:groups_for_modules]
    named = for {_, members} <- groups, member <- members, do: member

    for module <- documented do
      assert Enum.any?(named, &(&1 == module or (is_struct(&1, Regex) and inspect(module) =~ &1))),
             "#{inspect(module)} has a @moduledoc, but no group in mix.exs; internal modules have @moduledoc false"
    end

    assert Enum.filter(named, &is_atom/1) -- documented == []
  end

  test "their functions have a @doc and a @spec, or @doc false", %{docs: docs} do
    for {module, entries} <- docs do
      {:ok, specs} = Code.Typespec.fetch_specs(module)
      specified = for {function, _} <- specs, do: function

      for {{:function, name, arity}, _, _, doc, _} <- entries, doc != :hidden do
        # Functions of exceptions and structs.
        if name not in [:exception, :message, :__struct__] do
          assert doc != :none, "#{inspect(module)}.#{name}/#{arity} has no @doc"
          assert {name, arity} in specified, "#{inspect(module)}.#{name}/#{arity} has no @spec"
        end
      end
    end
  end

  test "the functions that return errors are those that the rule of Davit's moduledoc names", %{
    docs: docs
  } do
    returning =
      for {module, entries} <- docs,
          {:ok, specs} = Code.Typespec.fetch_specs(module),
          {{name, arity}, forms} <- specs,
          Enum.any?(entries, &match?({{:function, ^name, ^arity}, _, _, %{}, _}, &1)),
          form <- forms,
          text = name |> Code.Typespec.spec_to_quoted(form) |> Macro.to_string(),
          text =~ "{:error, " or text =~ "on_start",
          do: "#{inspect(module)}.#{name}/#{arity}"

    {:docs_v1, _, _, _, %{"en" => text}, _, _} = Code.fetch_docs(Davit)
    [_, rule] = Regex.run(~r/handles the failure:(.*?)\n  \*/s, text)
    named = for [name] <- Regex.scan(~r/`([\w.]+\/\d)`/, rule, capture: :all_but_first), do: name
    # It delegates to the engine's.
    assert Enum.sort(returning -- ["Davit.start_link/1"]) == Enum.sort(named)
  end

  test "the functions of ops tell what the op table knows", %{docs: docs} do
    entries = docs |> List.keyfind!(Davit.Graph, 0) |> elem(1)
    by_op = for {{:function, _, _}, _, _, %{"en" => text}, %{op: op}} <- entries, do: {op, text}
    table = for {name, %{structural: false} = row} <- OpTable.ops(), into: %{}, do: {name, row}
    assert by_op |> Enum.map(&elem(&1, 0)) |> Enum.sort() == table |> Map.keys() |> Enum.sort()

    for {op, text} <- by_op, {name, attribute} <- table[op].attributes do
      assert [_, presence] = Regex.run(~r/^  \* `:#{name}` \([a-z ]+, (.+)\): \S/m, text), op

      cond do
        not attribute.optional -> assert presence == "required"
        attribute.default == nil -> assert presence == "optional"
        true -> assert presence =~ ~r/^default `.+`/
      end
    end

    assert by_op |> List.keyfind!("random.normal", 0) |> elem(1) =~ "(dtype, default `:float32`)"
    assert by_op |> List.keyfind!("take", 0) |> elem(1) =~ "Operands: `a`, `indices` (positions)."
  end

  test "the package has its licence, and the documentation its pages" do
    config = Mix.Project.config()
    licence = File.read!(Path.join(@project, "LICENSE"))
    assert licence == File.read!(Path.expand("../LICENSE", @project))
    for file <- config[:package][:files], do: assert(File.exists?(Path.join(@project, file)), file)
    for page <- config[:docs][:extras], do: assert(File.exists?(Path.join(@project, page)), page)
    assert [_ | _] = config[:package][:licenses]
  end
end
