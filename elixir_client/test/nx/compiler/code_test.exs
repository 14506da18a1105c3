if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.CodeTest do
    use ExUnit.Case, async: false

    alias Davit.Nx.Compiler.Code, as: Digest

    # Which parts differ after `fun`.
    defp changed(fun) do
      before = Digest.parts()
      fun.()
      for {{part, old}, {part, new}} <- Enum.zip(before, Digest.parts()), old != new, do: part
    end

    test "it is the same whichever modules are loaded" do
      modules = Application.spec(:nx, :modules)

      assert [] =
               changed(fn ->
                 for module <- modules, do: {:module, ^module} = :code.ensure_loaded(module)
               end)
    end

    test "a module without a file and the configuration change it" do
      name = :"#{__MODULE__}.Evaluated"

      assert [:evaluated] =
               changed(fn -> Module.create(name, quote(do: def(f, do: 1)), __ENV__) end)

      :code.purge(name)
      :code.delete(name)

      assert [:config] = changed(fn -> Application.put_env(:nx, :davit_test, 1) end)
      Application.delete_env(:nx, :davit_test)
    end
  end
end
