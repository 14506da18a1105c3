defmodule Davit.SubscriptionTest do
  use ExUnit.Case, async: true

  alias Davit.{Engine, EngineError, Fake, Frame, Msgpack}
  alias Davit.Hooks.{Event, Site, Subscription, SubscriptionSpec}

  defp subscription(fields \\ []) do
    fields = Keyword.merge([exchange: nil, ref: make_ref(), request: 1, views: %{}], fields)

    struct!(Subscription, fields)
  end

  defp frame(message, attachments \\ []),
    do: 1 |> Frame.encode(Msgpack.encode(message), attachments) |> IO.iodata_to_binary()

  @sites [
    "sites",
    %{types: [["uint8", [4, 3]]], sites: [%{index: 7, kind: "hook", name: "h", types: [0]}]}
  ]
  @values 0..11 |> Enum.to_list() |> :binary.list_to_bin()

  defp event(value), do: [7, 0, 3, 0, [1, 2], 0, [value]]

  describe "read/2" do
    test "decodes the engine's acceptance and its errors" do
      subscription = subscription()
      assert {:ok, :accepted, ^subscription} = Subscription.read(subscription, frame(["ok", nil]))
      error = ["error", %{code: "match_invalid", message: "no"}]

      assert {:error, %EngineError{code: :match_invalid, message: "no"}} =
               Subscription.read(subscription, frame(error))
    end

    test "decodes events with the sites that were declared before, and returns their cost" do
      assert {:ok, :sites, subscription} = Subscription.read(subscription(), frame(@sites))
      events = frame(["events", [event({:bin, @values}), event(["attachment", 0])], 500], [@values])

      assert {:ok, {:events, [one, two], credit}, ^subscription} =
               Subscription.read(subscription, events)

      assert %Event{site: %Site{number: 7}, name: "h", run: 3, path: [1, 2]} = one
      assert Event.value(one) == Event.value(two)
      assert %{type: {:uint8, {4, 3}}, data: @values} = Event.value(one)
      assert credit == 500
    end

    test "gives the value of a slice the shape of the slice" do
      spec = SubscriptionSpec.to_wire("h", view: {:slice, [1], [2]})
      views = SubscriptionSpec.slices([spec])
      {:ok, :sites, subscription} = Subscription.read(subscription(views: views), frame(@sites))
      events = frame(["events", [event({:bin, binary_part(@values, 3, 6)})], 500])
      assert {:ok, {:events, [event], _}, _} = Subscription.read(subscription, events)
      assert Event.value(event).type == {:uint8, {2, 3}}
    end

    test "returns a protocol error for a frame or message that it does not know" do
      for frame <- [<<0>>, frame(["surprise"])] do
        assert {:error, %EngineError{code: :protocol_violated}} =
                 Subscription.read(subscription(), frame)
      end
    end
  end

  test "open/4 subscribes, consumed/2 returns credit, and close/1 unsubscribes" do
    session = Engine.session!(engine = Fake.start())
    spec = SubscriptionSpec.to_wire("h", policy: :latest)

    {:ok, %{ref: ref, request: request} = subscription} =
      Subscription.open(session, spec, :subscription)

    assert_receive {^ref, frame}
    assert {:ok, :accepted, subscription} = Subscription.read(subscription, frame)

    assert [%{"match" => ["name", "h"], "policy" => "latest"}] =
             Engine.info(engine)["subscriptions"]

    Subscription.consumed(subscription, 0)
    Subscription.consumed(subscription, 100)
    assert Engine.info(engine)["consumed"] == %{to_string(request) => 100}
    Subscription.close(subscription)
    assert Engine.info(engine)["subscriptions"] == []
    assert :ets.tab2list(session.routes) == []
  end
end
