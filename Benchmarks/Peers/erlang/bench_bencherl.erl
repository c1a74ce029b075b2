%% bencherl's workloads; see ../../WORKLOADS.md.
-module(bench_bencherl).
-export([run/2]).
-compile({nowarn_unused_function, [{spin, 2}, {next, 1}]}).
-include("bench_suite.hrl").

run("ehb", S) -> ehb(50, n(250, S));
run("serialmsg", S) -> serialmsg(100, n(1000, S), 2000);
run("timer_wheel", S) -> timer_wheel(max(2, round(1000 * math:sqrt(S))));
run("estone", S) -> estone(16, n(1000, S));
run("mbrot", S) -> mbrot(n(200, S), 100);
run("orbit", S) -> orbit(100, n(700, S));
run(_, _) -> unsupported.

%% ---------------------------------------------------------------- ehb

-define(SIZE, 20).
-define(ASK_EVERY, 100).

ehb(Groups, Loops) ->
    Me = self(),
    Messages = Loops * Groups * ?SIZE * ?SIZE,
    T0 = now_ns(),
    [spawn_link(fun() -> ehb_group(Loops, Me) end) || _ <- lists:seq(1, Groups)],
    Messages = sum(Groups, 0),
    {per_second(Messages, T0), "msg/s"}.

ehb_group(Loops, Boss) ->
    Me = self(),
    Receivers = [spawn_link(fun() -> ehb_receiver(Me, ?SIZE, 0) end) || _ <- lists:seq(1, ?SIZE)],
    [spawn_link(fun() -> ehb_sender(Receivers, Loops) end) || _ <- lists:seq(1, ?SIZE)],
    Boss ! sum(?SIZE, 0).

ehb_data(Receivers) -> [R ! {a, b, c, d, e, f, g, h, i, j, k, l} || R <- Receivers].

ehb_sender(Receivers, Left) when Left > ?ASK_EVERY ->
    [ehb_data(Receivers) || _ <- lists:seq(1, ?ASK_EVERY - 1)],
    [R ! {self(), keeping_up} || R <- Receivers],
    [receive {R, keeping_up} -> ehb_data([R]) end || R <- Receivers],
    ehb_sender(Receivers, Left - ?ASK_EVERY);
ehb_sender(Receivers, Left) ->
    [ehb_data(Receivers) || _ <- lists:seq(1, Left)],
    [R ! done || R <- Receivers].

ehb_receiver(Group, 0, Received) -> Group ! Received;
ehb_receiver(Group, Senders, Received) ->
    receive
        done -> ehb_receiver(Group, Senders - 1, Received);
        {From, keeping_up} -> From ! {self(), keeping_up}, ehb_receiver(Group, Senders, Received);
        Data when tuple_size(Data) =:= 12 -> ehb_receiver(Group, Senders, Received + 1)
    end.

%% ---------------------------------------------------------------- serialmsg

serialmsg(Pairs, Each, Length) ->
    Me = self(),
    Dispatcher = spawn_link(fun dispatcher/0),
    T0 = now_ns(),
    [begin
         To = spawn_link(fun() -> Me ! serial_receive(Each, Length, 0) end),
         spawn_link(fun() -> serial_send(Each, Dispatcher, To, lists:seq(1, Length)) end)
     end || _ <- lists:seq(1, Pairs)],
    Sum = sum(Pairs, 0),
    Value = per_second(Pairs * Each, T0),
    Sum = Pairs * Each * (Length + 1),
    {Value, "msg/s"}.

dispatcher() -> receive {To, Data} -> To ! Data end, dispatcher().

serial_send(0, _, _, _) -> ok;
serial_send(N, Dispatcher, To, Data) -> Dispatcher ! {To, Data}, serial_send(N - 1, Dispatcher, To, Data).

serial_receive(0, _, Sum) -> Sum;
serial_receive(N, Length, Sum) ->
    receive [First | _] = Data -> serial_receive(N - 1, Length, Sum + First + lists:nth(Length, Data)) end.

%% ---------------------------------------------------------------- timer wheel

timer_wheel(N) ->
    Me = self(),
    Pids = [spawn_link(fun() -> receive {init, All} -> wheel_start(All, N, Me) end end) || _ <- lists:seq(1, N)],
    All = list_to_tuple(Pids),
    [P ! {init, All} || P <- Pids],
    [receive ready -> ok end || _ <- Pids],
    T0 = now_ns(),
    [P ! start || P <- Pids],
    Answers = sum(N, 0),
    Value = per_second(2 * Answers, T0),
    Answers = N * (N - 1),
    {Value, "msg/s"}.

wheel_start(All, N, Boss) ->
    Others = [P || P <- tuple_to_list(All), P =/= self()],
    Boss ! ready,
    receive start -> ok end,
    Boss ! N - 1 - wheel(Others, N - 1).

%% Due: pings that others have yet to send. Returns 0, after the last.
wheel([], Due) -> wheel_wait(none, Due);
wheel([P | Others], Due) -> P ! {self(), ping}, wheel(Others, wheel_wait(P, Due)).

%% Answers pings until the pong of P is there or, with none, until all have pinged. Returns how many are due.
wheel_wait(none, 0) -> 0;
wheel_wait(P, Due) ->
    receive
        {P, pong} -> Due;
        {Other, ping} -> Other ! {self(), pong}, wheel_wait(P, Due - 1)
    after 1073741824 -> exit(time_limit)
    end.

%% ---------------------------------------------------------------- estone

estone(Runners, Rounds) ->
    Me = self(),
    T0 = now_ns(),
    [spawn_link(fun() -> runner(Rounds, Me) end) || _ <- lists:seq(1, Runners)],
    Sum = sum(Runners, 0),
    Value = per_second(Runners * Rounds, T0),
    Sum = Runners * Rounds,
    {Value, "rounds/s"}.

runner(Rounds, Boss) ->
    process_flag(trap_exit, true),
    Echo = spawn_link(fun estone_echo/0),
    {ok, Server} = gen_server:start_link(bench_counter, 0, []),
    [begin
         exchange(Echo, 100, binary:copy(<<0>>, 8)),
         exchange(Echo, 50, binary:copy(<<0>>, 256)),
         exchange(Echo, 10, binary:copy(<<0>>, 4096)),
         [gen_server:call(Server, inc) || _ <- lists:seq(1, 10)],
         Children = [spawn_link(fun() -> ok end) || _ <- lists:seq(1, 10)],
         [receive {'EXIT', C, normal} -> ok end || C <- Children],
         Timers = [erlang:send_after(60000, self(), tick) || _ <- lists:seq(1, 10)],
         [true = is_integer(erlang:cancel_timer(T)) || T <- Timers]
     end || _ <- lists:seq(1, Rounds)],
    Calls = Rounds * 10,
    Calls = gen_server:call(Server, get),
    Boss ! Rounds.

estone_echo() -> receive {From, Bytes} -> From ! {self(), Bytes} end, estone_echo().

%% A binary above 64 bytes is shared by the two processes; the copy makes it a new one, as the other peers have.
exchange(_Echo, 0, _Bytes) -> ok;
exchange(Echo, N, Bytes) ->
    Size = byte_size(Bytes),
    Echo ! {self(), binary:copy(Bytes)},
    receive {Echo, Back} when byte_size(Back) =:= Size -> ok end,
    exchange(Echo, N - 1, Bytes).

%% ---------------------------------------------------------------- mbrot

mbrot(Workers, Side) ->
    Me = self(),
    T0 = now_ns(),
    [spawn_link(fun() -> Me ! rows(Side, Side, 0) end) || _ <- lists:seq(1, Workers)],
    Sum = sum(Workers, 0),
    Value = per_second(Workers * Side * Side, T0),
    Sum = Workers * rows(Side, Side, 0),
    {Value, "points/s"}.

rows(_Side, 0, Sum) -> Sum;
rows(Side, Row, Sum) -> rows(Side, Row - 1, columns(Side, Row, Side, Sum)).

columns(_Side, _Row, 0, Sum) -> Sum;
columns(Side, Row, Column, Sum) ->
    X = (Column - 1) / Side * 4 - 2.0,
    Y = (Row - 1) / Side * 4 - 2.0,
    columns(Side, Row, Column - 1, Sum + point(X, Y, X, Y, 0)).

point(X0, Y0, X, Y, I) when I < 255, X * X + Y * Y =< 4.0 -> point(X0, Y0, X * X - Y * Y + X0, 2 * X * Y + Y0, I + 1);
point(_, _, _, _, I) -> I.

%% ---------------------------------------------------------------- orbit

orbit(Workers, Space) ->
    Me = self(),
    Pids = [spawn_link(fun() -> receive {init, All} -> orbit_worker(All, Space, Me, #{}) end end) || _ <- lists:seq(1, Workers)],
    All = list_to_tuple(Pids),
    [P ! {init, All} || P <- Pids],
    T0 = now_ns(),
    element(1, All) ! {vertex, 0, 0},
    orbit_wait(#{}),
    Ns = now_ns() - T0,
    [P ! count || P <- Pids],
    Reached = sum(Workers, 0),
    Reached = map_size(orbit_here([0], Space, #{0 => x})),
    {(2 * Reached + 1) * 1.0e9 / Ns, "vertices/s"}.

%% Until the credit that has come back is one, see orbit.c.
orbit_wait(#{0 := _}) -> ok;
orbit_wait(Credit) -> receive {credit, Halvings} -> orbit_wait(orbit_add(Halvings, Credit)) end.

orbit_add(Halvings, Credit) when is_map_key(Halvings, Credit) -> orbit_add(Halvings - 1, maps:remove(Halvings, Credit));
orbit_add(Halvings, Credit) -> Credit#{Halvings => x}.

orbit_worker(All, Space, Boss, Seen) ->
    receive
        {vertex, V, Halvings} when is_map_key(V, Seen) ->
            Boss ! {credit, Halvings},
            orbit_worker(All, Space, Boss, Seen);
        {vertex, V, Halvings} ->
            [begin
                 I = orbit_image(G, Space, V),
                 element(I rem tuple_size(All) + 1, All) ! {vertex, I, Halvings + 1}
             end || G <- [1, 3]],
            orbit_worker(All, Space, Boss, Seen#{V => x});
        count -> Boss ! map_size(Seen)
    end.

orbit_here([], _, Seen) -> Seen;
orbit_here([V | Rest], Space, Seen) ->
    New = lists:usort([I || G <- [1, 3], I <- [orbit_image(G, Space, V)], not is_map_key(I, Seen)]),
    orbit_here(New ++ Rest, Space, lists:foldl(fun(I, S) -> S#{I => x} end, Seen, New)).

orbit_image(1, Space, X) -> abs(orbit_fib(X rem 16) + X) rem Space;
orbit_image(3, Space, X) -> abs(orbit_fib(X rem 16 + 10) - X * X * X + 8 * X) rem Space.

orbit_fib(N) when N < 2 -> 1;
orbit_fib(N) -> orbit_fib(N - 1) + orbit_fib(N - 2).
