defmodule Davit.Engine.Handshake do
  @moduledoc false
  # The beginning of a session: the engine says `ready`, the client says `hello`, the engine answers. If the engine does not do
  # what is expected, the error is a text that describes what it did.

  alias Davit.{EngineError, Frame}
  alias Davit.Engine.Request

  @protocol 1

  @doc "Reads the engine's first frame: `ready`, or `bye` if the engine cannot serve."
  @spec ready(binary) :: :ok | {:bye, String.t()} | {:error, String.t()}
  def ready(frame) do
    case Frame.decode(frame) do
      {:ok, 0, ["ready", %{"protocol" => @protocol}], _} -> :ok
      {:ok, 0, ["bye", code, message], _} -> {:bye, "#{code}: #{message}"}
      {:ok, 0, message, _} -> {:error, "began with #{Davit.Show.show(message)}"}
      {:error, why} -> {:error, "began with a frame that cannot be read: #{why}"}
    end
  end

  @doc "Returns the client's first message."
  @spec hello(map) :: list
  def hello(limits) do
    version = Application.spec(:davit, :vsn)
    ["hello", %{protocol: @protocol, client: "elixir #{version}", limits: limits}]
  end

  @doc "Reads the engine's answer to `hello`."
  @spec answer(binary) :: {:ok, map} | {:error, String.t()}
  def answer(frame) do
    case Request.answer(frame) do
      {:ok, %{} = hello, _} ->
        {:ok, hello}

      {:ok, other, _} ->
        {:error, "answered `hello` with #{Davit.Show.show(other)}"}

      {:error, %EngineError{} = error} ->
        {:error, "refused the session: #{Exception.message(error)}"}
    end
  end
end
