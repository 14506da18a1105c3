if Code.ensure_loaded?(Nx) do
  defmodule Davit.Test.OnPeer do
    @moduledoc false
    # Nodes that know each other, each with its engine, and servings on them. This VM is none of them: a node's name would change
    # under the tests that run at the same time.

    @doc "Starts a node. Returns its process, for the other functions, and its name."
    def start do
      {:ok, peer, node} =
        :peer.start_link(%{
          name: :"davit_#{System.pid()}_#{System.unique_integer([:positive])}",
          host: ~c"127.0.0.1",
          longnames: true,
          connection: :standard_io,
          args: [~c"-setcookie", ~c"davit", ~c"-connect_all", ~c"false"]
        })

      :ok = :peer.call(peer, :code, :add_pathsa, [:code.get_path()])
      {:ok, _} = call(peer, Application, :ensure_all_started, [[:elixir, :logger, :davit, :nx]])
      {peer, node}
    end

    @doc "Connects a node with another one."
    def connect(peer, node), do: true = call(peer, Node, :connect, [node])

    @doc "Calls a function on a node."
    def call(peer, module, function, arguments),
      do: :peer.call(peer, module, function, arguments, :infinity)

    @doc "Starts a serving on a node, where it stays until `stop_serving/2`."
    def start_serving(peer, name), do: call(peer, __MODULE__, :serve, [name])

    @doc false
    def serve(name) do
      parent = self()

      pid =
        spawn(fn ->
          serving =
            Nx.Serving.jit(&Nx.cos/1, compiler: Davit)
            |> Nx.Serving.client_preprocessing(&{Nx.Batch.concatenate([&1]), []})
            |> Nx.Serving.distributed_postprocessing(&Nx.backend_transfer/1)

          {:ok, _} =
            Nx.Serving.start_link(serving: serving, name: name, batch_size: 2, batch_timeout: 0)

          send(parent, {self(), :started})
          receive do: (:stop -> :ok)
        end)

      receive do: ({^pid, :started} -> pid)
    end

    @doc "Ends a serving."
    def stop_serving(peer, pid), do: call(peer, Kernel, :send, [pid, :stop])

    @doc "Waits on a node until so many processes serve the name."
    def await_servings(peer, name, count), do: call(peer, __MODULE__, :joined, [name, count])

    @doc false
    def joined(name, count) do
      {ref, pids} = :pg.monitor(Nx.Serving.PG, name)
      joined(ref, name, length(pids), count)
    end

    defp joined(_ref, _name, count, count), do: :ok

    defp joined(ref, name, known, count) do
      receive do
        {^ref, :join, ^name, pids} -> joined(ref, name, known + length(pids), count)
        {^ref, :leave, ^name, pids} -> joined(ref, name, known - length(pids), count)
      end
    end

    @doc "Runs a batch of one row on a node, and returns its numbers."
    def batched_run(peer, where, row), do: call(peer, __MODULE__, :run, [where, row])

    @doc false
    def run(where, row) do
      input = Nx.tensor([row], backend: Davit.Backend)
      where |> Nx.Serving.batched_run(input, &Nx.backend_copy/1) |> Nx.to_flat_list()
    end

    @doc "How many calls the compiler of a node was asked for."
    def calls(peer) do
      stats = call(peer, Davit.Compiler, :stats, [])
      stats.hits + stats.function + stats.arguments
    end
  end
end
