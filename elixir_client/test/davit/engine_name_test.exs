defmodule Davit.EngineNameTest do
  use ExUnit.Case, async: true

  alias Davit.{Engine, EngineError, Fake, Hooks, Tensor}
  alias Davit.Engine.Name

  setup do
    start_supervised!({Registry, keys: :unique, name: __MODULE__.Registry})
    :ok
  end

  defp via(term), do: {:via, Registry, {__MODULE__.Registry, term}}
  defp global(term), do: {:global, {__MODULE__, term}}

  test "an engine may be named as a GenServer is" do
    for name <- [via("one"), global("one")] do
      assert Engine.status(name) == :stopped
      assert ^name = Fake.start([], name: name)
      assert :ok = Engine.await(name)
      assert Engine.status(name) == :up
      pid = GenServer.whereis(name)
      assert is_pid(pid)
      assert {:error, {:already_started, ^pid}} = Engine.start_link(name: name)

      program = Fake.program(name, "events:1", [{:int8, {2}}])
      {:ok, ref} = Hooks.subscribe("h", engine: name)
      assert [result] = Davit.run(program, [[1, 2]])
      assert Tensor.to_list(result) == [1, 2]
      assert_receive {:davit_hook, ^ref, _}

      tensor = Tensor.from_list([1], :u8, engine: name, place: :engine)
      assert Tensor.to_list(%{tensor | data: nil}) == [1]
      assert inspect(%{tensor | data: nil}) == "#Davit.Tensor<u8[1] in #{inspect(name)}>"
      assert %{ref: %{}} = Tensor.to_engine(Tensor.scalar(1, :u8), name)
      assert %{"pid" => _} = Engine.info(name)
      assert :ok = Engine.reclaim(name)

      assert :ok = stop_supervised(name)
      assert_receive {:davit_hook_down, ^ref, %EngineError{code: :engine_down} = error}
      assert error.message =~ inspect(name)
      assert Engine.status(name) == :stopped
      error = assert_raise EngineError, fn -> Davit.run(program, [[1, 2]]) end
      assert error.message =~ "no engine is named #{inspect(name)}"

      # Started again, it is the engine of the same programs, but not of the tensors that it had.
      Fake.start([], name: name)
      assert [_] = Davit.run(program, [[1, 2]])
      error = assert_raise EngineError, fn -> Tensor.to_binary(%{tensor | data: nil}) end
      assert error.code == :engine_lost
      assert :ok = Engine.stop(name)
      stop_supervised(name)
    end
  end

  test "two names are two engines" do
    [one, other] = for term <- ["a", "b"], do: Fake.start([], name: via(term))
    assert Engine.info(one)["pid"] != Engine.info(other)["pid"]
    tensor = %{Tensor.from_list([1], :u8, engine: one, place: :engine) | data: nil}
    error = assert_raise EngineError, fn -> Tensor.to_engine(tensor, other) end
    assert {error.code, error.message =~ inspect(one)} == {:tensor_foreign, true}
  end

  test "an unknown name is an error, and creates no atom" do
    for name <- [via("nobody"), global("nobody"), :nobody_at_all] do
      assert {:error, %EngineError{code: :engine_down} = error} = Engine.await(name)
      assert error.message =~ "no engine is named #{inspect(name)}"
      assert {:error, %EngineError{code: :engine_down}} = Hooks.subscribe("h", engine: name)
      assert_raise EngineError, ~r/no engine is named/, fn -> Davit.load(<<>>, engine: name) end
      assert Engine.status(name) == :stopped
      assert Engine.stop(name) == :ok
    end

    assert Name.key(via("nobody")) == nil
  end

  test "an invalid name is refused" do
    for name <- ["e", {:x, :y}, {:via, "r", 1}, 7] do
      message = ~r/:engine to be an atom, {:global, term} or {:via, module, term}, got/
      assert_raise ArgumentError, message, fn -> Davit.load(<<>>, engine: name) end
      assert_raise ArgumentError, ~r/:name to be an atom/, fn -> Engine.start_link(name: name) end
    end
  end
end
