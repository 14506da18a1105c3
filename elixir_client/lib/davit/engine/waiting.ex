defmodule Davit.Engine.Waiting do
  @moduledoc false
  # Callers that wait until an engine is up.

  alias Davit.{Deadline, EngineError}
  alias Davit.Engine.Session

  @type t :: [{GenServer.from(), patient :: boolean, Deadline.t()}]

  @doc "One more, for no longer than `timeout`. Who is patient waits through failed starts."
  @spec add(t, GenServer.from(), boolean, timeout) :: t
  def add(waiting, from, patient, timeout),
    do: [{from, patient, Deadline.new(timeout)} | waiting]

  @doc "The engine is up."
  @spec up(t, Session.t()) :: []
  def up(waiting, session) do
    for {from, _, _} <- waiting, do: GenServer.reply(from, {:ok, session})
    []
  end

  @doc "The engine did not start. Returns those that wait on."
  @spec down(t, EngineError.t()) :: t
  def down(waiting, error) do
    {patient, others} = Enum.split_with(waiting, &elem(&1, 1))
    for {from, _, _} <- others, do: GenServer.reply(from, {:error, error})
    # Those whose time is over have gone.
    Enum.reject(patient, fn {_, _, deadline} -> Deadline.left(deadline) == 0 end)
  end
end
