defmodule Davit.InspectTest do
  # What is shown in a shell or a log fits there, and holds no token.
  use ExUnit.Case, async: true

  alias Davit.{Engine, Fake, Hooks, Tensor}

  test "inspect shows terms in a short form" do
    engine = Fake.start()
    session = Engine.session!(engine)
    assert inspect(session) =~ ~r/^#Davit.Engine.Session<name: :fake_\d+, instance: 1, \.\.\.>$/
    tensor = Tensor.from_list([1], :uint8, engine: engine, place: :engine)
    assert inspect(tensor) == "#Davit.Tensor<u8[1] [1]>"
    assert inspect(%{tensor | data: nil}) == "#Davit.Tensor<u8[1] in #{inspect(engine)}>"
    assert inspect(tensor.ref) =~ "instance: 1"
    refute inspect(tensor.ref) =~ "token"
    program = Fake.program(engine, "events:1", [{:int8, {2}}])
    assert inspect(program) == "#Davit.Program<00000000 (s8[2]) -> (s8[2])>"
    {:ok, ref} = Hooks.subscribe("h", engine: engine)
    Davit.run(program, [[1, 2]])
    assert_receive {:davit_hook, ^ref, event}

    assert inspect(event) ==
             ~s(#Davit.Hooks.Event<name: "h", label: "layer.0", path: [0], seq: 0, run: #{event.run}, dropped: 0, ) <>
               "values: [#Davit.Tensor<s8[2] [1, 2]>]>"

    assert inspect(%{event | path: [104, 105]}) =~ "path: [104, 105], "
  end
end
