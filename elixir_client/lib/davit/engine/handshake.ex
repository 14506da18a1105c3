defmodule Davit.Engine.Handshake do
  @moduledoc false
  # How a session begins: the engine says `ready`, the client says `hello`, the engine answers. Each of these returns what the
  # engine did, in words, where it is not what was expected.

  alias Davit.{EngineError, Frame}
  alias Davit.Engine.Request

  @protocol 1

  @doc "Reads the engine's first frame. A `bye` may come instead."
  @spec ready(binary) :: :ok | {:bye, String.t()} | {:error, String.t()}
  def ready(frame) do
    case Frame.decode(frame) do
      {:ok, 0, ["ready", %{"protocol" => @protocol}], _} -> :ok
      {:ok, 0, ["bye", code, message], _} -> {:bye, "#{code}: #{message}"}
      {:ok, 0, message, _} -> {:error, "began with #{inspect(message, limit: 5)}"}
      {:error, why} -> {:error, "began with a frame that cannot be read: #{why}"}
    end
  end

  @doc "The client's first message."
  @spec hello(map) :: list
  def hello(limits) do
    version = Application.spec(:davit, :vsn)
    ["hello", %{protocol: @protocol, client: "elixir #{version}", limits: limits}]
  end

  @doc "Reads the engine's answer to that."
  @spec answer(binary) :: {:ok, map} | {:error, String.t()}
  def answer(frame) do
    case Request.answer(frame) do
      {:ok, %{} = hello, _} ->
        {:ok, hello}

      {:ok, other, _} ->
        {:error, "answered `hello` with #{inspect(other, limit: 5)}"}

      {:error, %EngineError{} = error} ->
        {:error, "refused the session: #{Exception.message(error)}"}
    end
  end
end
