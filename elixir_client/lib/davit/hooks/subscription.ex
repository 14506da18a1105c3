defmodule Davit.Hooks.Subscription do
  @moduledoc false
  # The client's side of a subscription: it asks the engine for it, decodes what comes, returns credit and ends it. The
  # process that opens it takes the messages out of its mailbox (`Davit.Engine.Exchange.open/1`) and hands the frames to
  # `read/2`: `Davit.Hooks.Feed` for subscribers, `Davit.Hooks.Source` for streams.

  alias Davit.{EngineError, Frame, Msgpack}
  alias Davit.Engine.{Exchange, Request, Routes, Session}
  alias Davit.Hooks.{Event, Site, SubscriptionSpec}

  @enforce_keys [:exchange, :ref, :request, :views]
  defstruct [:exchange, :ref, :request, :views, sites: %{}]

  @type t :: %__MODULE__{
          exchange: Exchange.t(),
          ref: reference,
          request: pos_integer,
          views: map,
          sites: %{non_neg_integer => Site.t()}
        }

  @type message :: :accepted | :sites | {:events, [Event.t()], credit :: non_neg_integer}

  @doc """
  Subscribes. `events` is the credit in events, where the subscription has one beside its credit in bytes.
  """
  @spec open(Session.t(), list, Routes.kind(), pos_integer | nil) ::
          {:ok, t} | {:error, EngineError.t()}
  def open(session, spec, kind, events \\ nil) do
    exchange = Exchange.open(session)
    message = ["subscribe" | spec] ++ List.wrap(events)

    case Exchange.request(exchange, kind, Msgpack.encode(message)) do
      {:ok, request} ->
        {:ok,
         %__MODULE__{
           exchange: exchange,
           ref: exchange.ref,
           request: request,
           views: SubscriptionSpec.slices([spec])
         }}

      {:error, error} ->
        Exchange.close(exchange)
        {:error, error}
    end
  end

  @doc "Decodes a frame that came for the subscription. An error ends the subscription."
  @spec read(t, binary) :: {:ok, message, t} | {:error, EngineError.t()}
  def read(subscription, frame) do
    case Frame.decode(frame) do
      {:ok, _, message, attachments} -> message(message, attachments, subscription)
      {:error, why} -> {:error, Request.protocol(why)}
    end
  end

  defp message(["events", events, cost], attachments, %{sites: sites} = subscription) do
    events = Event.decode(events, attachments, sites, subscription.views)
    {:ok, {:events, Enum.map(events, &elem(&1, 1)), cost}, subscription}
  end

  defp message(["sites", table], _, subscription) do
    sites =
      for site <- Site.list_from_wire(table), into: subscription.sites, do: {site.number, site}

    {:ok, :sites, %{subscription | sites: sites}}
  end

  defp message(["ok", _], _, subscription), do: {:ok, :accepted, subscription}
  defp message(["error", error], _, _), do: {:error, EngineError.from_wire(error)}

  defp message([type | _], _, _),
    do: {:error, Request.protocol("a subscription got #{inspect(type)}")}

  @doc "Returns credit to the engine, for events that were taken."
  @spec consumed(t, non_neg_integer) :: :ok
  def consumed(_, 0), do: :ok

  def consumed(%{exchange: %{session: session}, request: request}, credit),
    do: Session.notify(session, request, ["consumed", credit])

  @doc "Forgets a subscription whose engine is gone. No message comes after this."
  @spec abandon(t) :: true
  def abandon(%{exchange: exchange}), do: Exchange.close(exchange)

  @doc "Unsubscribes. No message comes after this."
  @spec close(t) :: :ok
  def close(%{exchange: %{session: session} = exchange, request: request}) do
    Exchange.finish(exchange, request)
    Exchange.close(exchange)
    Session.notify(session, 0, ["unsubscribe", request])
  end
end
