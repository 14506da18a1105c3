defmodule Davit.Engine.Launcher do
  @moduledoc false
  # Opens and closes the port of an engine's process, and describes how the process ended.

  alias Davit.EngineError
  alias Davit.Engine.{Command, OsProcesses}

  @doc "Starts the engine's process as a port of the calling process."
  @spec open(keyword) :: {:ok, port} | {:error, EngineError.t()}
  def open(options) do
    with {:ok, path, arguments} <- Command.find(options) do
      try do
        port = Port.open({:spawn_executable, path}, port_options(arguments, options))
        OsProcesses.monitor(port)
        {:ok, port}
      rescue
        error in [ErlangError, ArgumentError] ->
          message = "#{path} could not be started: #{Exception.message(error)}"
          {:error, %EngineError{code: :engine_missing, message: message}}
      end
    end
  end

  defp port_options(arguments, options) do
    env = for {name, value} <- options[:env] || [], do: {charlist(name), value && charlist(value)}
    base = [:nouse_stdio, {:packet, 4}, :binary, :exit_status, :hide, args: arguments, env: env]
    if options[:cd], do: [{:cd, options[:cd]} | base], else: base
  end

  defp charlist(text), do: text |> to_string() |> String.to_charlist()

  @doc "Closes the port, if it is open, and makes sure that its process ends."
  @spec close(port | nil) :: true
  def close(nil), do: true

  def close(port) do
    if Port.info(port), do: OsProcesses.end_process(port)
    Port.close(port)
  catch
    :error, :badarg -> true
  end

  @doc """
  Describes an exit status. Above 128 it is 128 + the number of a signal, as in shells.

      iex> {Davit.Engine.Launcher.exit_text(1), Davit.Engine.Launcher.exit_text(137)}
      {"exited with status 1", "exited with signal 9"}
  """
  @spec exit_text(non_neg_integer) :: String.t()
  def exit_text(status) when status > 128, do: "exited with signal #{status - 128}"
  def exit_text(status), do: "exited with status #{status}"

  @doc "Describes the end of an engine whose port closed before its exit status came."
  @spec closed_text(term) :: String.t()
  def closed_text(:epipe),
    do: "closed its side of the port while something was written to it (:epipe), " <> unknown()

  def closed_text(reason), do: "lost its port (#{inspect(reason)}), " <> unknown()

  defp unknown, do: "and its exit status is not known"
end
