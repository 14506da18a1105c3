#!/usr/bin/env escript
%% The Erlang side of process.test.ts: peer.escript MODE PACKET NODE PROGRAM [SIZE...]

main([Mode, Packet, Node, Program | Sizes]) ->
    Port = open_port({spawn_executable, Node},
                     [binary, nouse_stdio, exit_status, {packet, list_to_integer(Packet)},
                      {args, [Program, Packet]}]),
    run(Mode, Port, [list_to_integer(Size) || Size <- Sizes]),
    port_close(Port).

%% One frame of each size and back.
run("sizes", Port, Sizes) ->
    lists:foreach(
      fun(Size) ->
              Frame = bytes(Size),
              port_command(Port, Frame),
              Frame = next(Port),
              io:format("~b came back~n", [Size])
      end, Sizes);

%% Ten thousand frames under way at once.
run("pipelined", Port, [Count]) ->
    [port_command(Port, <<I:32>>) || I <- lists:seq(1, Count)],
    [<<I:32>> = next(Port) || I <- lists:seq(1, Count)],
    io:format("~b came back in order~n", [Count]);

%% Waits to be killed, after one frame has shown that the program is up.
run("idle", Port, []) ->
    port_command(Port, <<"x">>),
    next(Port),
    io:format("ready~n"),
    receive never -> ok end;

%% Is killed while frames fly in both directions.
run("flood", Port, [Size]) ->
    Frame = bytes(Size),
    port_command(Port, Frame),
    next(Port),
    io:format("ready~n"),
    flood(Port, Frame).

flood(Port, Frame) ->
    [port_command(Port, Frame) || _ <- lists:seq(1, 8)],
    [next(Port) || _ <- lists:seq(1, 8)],
    flood(Port, Frame).

next(Port) ->
    receive
        {Port, {data, Data}} -> Data;
        {Port, Other} -> io:format("unexpected: ~p~n", [Other]), halt(1)
    end.

bytes(Size) ->
    Block = rand:bytes(min(Size, 65521)),
    Whole = binary:copy(Block, Size div max(1, byte_size(Block)) + 1),
    binary:part(Whole, 0, Size).
