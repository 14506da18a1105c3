defmodule Davit.RealEngine.AutogradTest do
  # Derivatives that Node traced, run from here: hooks fire as in any program, and hooks on gradients with gradients.
  use ExUnit.Case, async: false
  @moduletag :engine

  alias Davit.{Real, Tensor}

  @script Path.expand("../support/autograd_graphs.mjs", __DIR__)

  setup_all do
    :ok = Davit.Engine.await()
    on_exit(fn -> Davit.Engine.stop() end)
    {json, 0} = System.cmd("node", [@script])

    graphs =
      for [_, name, bytes] <- Regex.scan(~r/"(\w+)":"([^"]*)"/, json),
          into: %{},
          do: {name, Base.decode64!(bytes)}

    %{graphs: graphs}
  end

  # The outputs, and what its hooks saw.
  defp run(graph, inputs) do
    me = self()

    seen = fn event ->
      send(me, {event.name, event.path, event.values |> hd() |> Tensor.to_list()})
    end

    program = Davit.load(graph)
    outputs = Davit.run(program, inputs, hooks: [{:all, seen}])
    {Enum.map(outputs, &Tensor.to_list/1), Real.flush()}
  end

  test "a gradient through a counted loop, with hooks on values and on gradients", context do
    graph = context.graphs["loop"]
    assert {[[8.0, 27.0]], seen} = run(graph, [[1, 2]])

    assert for({"forward", path, value} <- seen, do: {path, value}) ==
             [{[0], [1.0, 2.0]}, {[1], [2.0, 6.0]}, {[2], [4.0, 18.0]}]

    # From the last iteration to the first.
    assert for({"backward", _, value} <- seen, do: value) == [[1.0, 1.0], [2.0, 3.0], [4.0, 9.0]]
    assert length(seen) == 6

    kinds = for site <- Davit.load(graph).sites, site.kind != :node, do: {site.name, site.kind}
    assert Enum.uniq(kinds) -- [{"forward", :hook}] == [{"backward", :hook_gradient}]
  end

  test "a gradient through the branch that is taken, whose hooks alone fire, once", context do
    assert run(context.graphs["branch"], [3]) == {[9.0, 6.0], [{"positive", [], 3.0}]}
    assert run(context.graphs["branch"], [-3]) == {[-15.0, 5.0], [{"negative", [], -3.0}]}
  end

  test "products with the Jacobian from either side", context do
    # (x y, x + y) at (3, 4).
    assert run(context.graphs["vjp"], [3, 4]) == {[12.0, 7.0, 14.0, 13.0], []}
    assert run(context.graphs["jvp"], [3, 4]) == {[12.0, 7.0, 34.0, 11.0], []}
  end
end
