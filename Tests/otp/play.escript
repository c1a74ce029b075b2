#!/usr/bin/env escript
%%! +S 1:1 +SDcpu 1:1 +SDio 1 -kernel logger_level none
%% play.escript FILE - plays the scenarios of FILE (scenarios.txt says what the lines mean) on this Erlang/OTP and prints what happened.
%%
%% One scheduler, so that "nobody but the conductor has anything to do" can be asked for: that is the barrier between two steps. The
%% conductor reads the lines, sends each to the actor it names, waits for the barrier, and prints what the actors have told it. What a
%% step made happen is printed in an order of its own where OTP promises none: numbers by their sender, then what was learnt of ends,
%% sorted, then what the actor was asked for, as it came.
-mode(compile).
-behaviour(gen_server).
-export([main/1, loop/1, start_child/1, init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-define(LONG, 3600000).
-define(SHORT, 40).
-define(WAIT, 120).

main([File]) ->
    {ok, Binary} = file:read_file(File),
    register(conductor, self()),
    ets:new(names, [named_table, public]),
    ets:new(pids, [named_table, public]),
    ets:new(refs, [named_table, public]),
    ets:new(knobs, [named_table, public]),
    %% The first report of a crash waits for files, which the barrier does not see.
    put(mute, true),
    Before = processes(),
    play(["scenario", "spawn a trap", "sup a s one_for_all 9 never c:permanent", "exit c error:1", "wait", "server a x ok trap", "exit x error:1", "wait"],
         Before),
    erase(mute),
    Lines = string:split(binary_to_list(Binary), "\n", all),
    play(Lines, Before).

play([], Before) -> clean(Before);
play([Line | Rest], Before) ->
    case string:lexemes(Line, " ") of
        [] -> ok;
        ["#" ++ _ | _] -> ok;
        ["scenario" | _] ->
            clean(Before),
            ets:insert(names, {dead, spawn(fun() -> ok end)}),
            quiet(),
            put_text([Line, "\n"]);
        Words -> step(Line, Words)
    end,
    play(Rest, Before).

put_text(Text) -> get(mute) =:= true orelse io:put_chars(Text).

%% --- The conductor -----------------------------------------------------------------------------------------------------------------

step(Line, Words) ->
    put_text(["> ", Line, "\n"]),
    case lists:last(Words) of
        "&" -> direct(lists:droplast(Words));
        _ -> direct(Words), quiet(), put_events()
    end.

direct(["spawn", X | Options]) ->
    put_name(X, spawn(fun() -> begin_actor(X, Options) end)),
    erlang:monitor(process, pid(X));
direct(["next", Id, What, Count]) -> ets:insert(knobs, {{Id, What}, list_to_integer(Count)});
direct(["stubborn", Id]) -> ets:insert(knobs, {{Id, "stubborn"}, 1});
direct(["wait"]) -> timer:sleep(?WAIT);
direct([_, Actor | _] = Words) ->
    pid(Actor) ! {order, Words},
    case Words of
        ["spawn_by", _, X | Options] ->
            quiet(),
            case [dies || "dies=" ++ _ <- Options] =:= [] andalso ets:member(names, X) of
                true -> erlang:monitor(process, pid(X));
                false -> ok
            end;
        _ -> ok
    end.

%% Until nobody but this process runs or can run.
quiet() ->
    erlang:yield(),
    case erlang:statistics(total_active_tasks_all) of
        1 -> ok;
        _ -> quiet()
    end.

%% Of one that is gone after this step it is not promised whether it heard of other ends before.
put_events() ->
    [put_text(["  ", Subject, ": ", Text, "\n"])
        || {{Subject, _, Source}, Text} <- lists:keysort(1, events([])),
           not lists:prefix("down ", Source) orelse is_process_alive(pid(Subject))].

events(Events) ->
    receive
        {event, Subject, Class, Source, Text} -> events([{{Subject, Class, Source}, Text} | Events]);
        {'DOWN', _, process, Pid, Reason} ->
            Text = ["ended ", text(Reason)],
            events([{{name(Pid), 1, lists:flatten(Text)}, Text} | Events])
    after 0 -> lists:reverse(Events)
    end.

clean(Before) ->
    case processes() -- Before of
        [] -> [ets:delete_all_objects(T) || T <- [names, pids, refs, knobs]], events([]);
        Left -> [exit(P, kill) || P <- Left], quiet(), clean(Before)
    end.

%% --- Names of things ---------------------------------------------------------------------------------------------------------------

put_name(Name, Pid) -> ets:insert(names, {Name, Pid}), ets:insert(pids, {Pid, Name}).
%% Who was never born is dead.
pid(Name) ->
    case ets:lookup(names, Name) of
        [{_, Pid}] -> Pid;
        [] -> ets:lookup_element(names, dead, 2)
    end.
name(Pid) ->
    case ets:lookup(pids, Pid) of
        [{_, Name}] -> Name;
        [] -> "someone"
    end.
put_ref(Name, Ref) -> ets:insert(refs, {Name, Ref}), ets:insert(refs, {Ref, Name}).
%% One that was never made is not active.
ref(Name) ->
    case ets:lookup(refs, Name) of
        [{_, Ref}] -> Ref;
        [] -> make_ref()
    end.

knob(Id, What) ->
    case ets:lookup(knobs, {Id, What}) of
        [{_, Count}] when Count > 0 -> ets:insert(knobs, {{Id, What}, Count - 1}), true;
        _ -> false
    end.

text({shutdown, Code}) when is_integer(Code) -> "shutdown:" ++ integer_to_list(Code);
text({shutdown, _}) -> "shutdown";
text({start_spec, _}) -> "error:-22"; % -EINVAL there
text({error, Code}) -> "error:" ++ integer_to_list(Code);
text(Atom) when is_atom(Atom) -> atom_to_list(Atom);
text(_) -> "something".

reason("shutdown:" ++ Code) -> {shutdown, list_to_integer(Code)};
reason("error:" ++ Code) -> {error, list_to_integer(Code)};
reason(Text) -> list_to_atom(Text).

time("long") -> ?LONG;
time("short") -> ?SHORT.

tell(Subject, Class, Source, Text) -> conductor ! {event, Subject, Class, Source, Text}.
done(#{name := Name}, Text) -> tell(Name, 2, "", Text).
learnt(#{name := Name}, Text) -> tell(Name, 1, lists:flatten(Text), Text).

%% --- Actors ------------------------------------------------------------------------------------------------------------------------

new(Name) -> #{name => Name, held => false, kept => [], counts => #{}, on_down => none}.

begin_actor(Name, Options) ->
    process_flag(trap_exit, lists:member("trap", Options)),
    loop(new(Name)).

loop(#{held := Held} = S) ->
    Message = case Held of
        true -> receive {order, _} = Order -> Order end;
        false -> receive Any -> Any end
    end,
    case meet(Message, S) of
        {ok, Next} -> loop(Next);
        {hibernate, Next} -> erlang:hibernate(?MODULE, loop, [Next]);
        {stop, Reason} -> exit(Reason);
        return -> ok
    end.

meet({order, Words}, S) -> obey(Words, S);
meet({number, From, N}, #{name := Name, counts := Counts} = S) ->
    tell(Name, 0, From, ["got ", N, " from ", From]),
    {ok, S#{counts := maps:update_with(From, fun(C) -> C + 1 end, 1, Counts)}};
meet({tick, N}, S) -> learnt(S, ["tick ", N]), {ok, S};
meet({'EXIT', Pid, Reason}, S) ->
    learnt(S, ["exit from ", name(Pid), " ", text(Reason), after_text(name(Pid), S)]),
    {ok, on_down(S)};
meet({'DOWN', Ref, process, Pid, Reason}, S) ->
    learnt(S, ["down ", ref(Ref), " ", text(Reason), after_text(name(Pid), S)]),
    {ok, on_down(S)};
meet({'$gen_call', From, How}, S) -> answer(How, From, S).

after_text(From, #{counts := Counts}) ->
    case Counts of
        #{From := Count} -> [" after ", integer_to_list(Count)];
        _ -> ""
    end.

on_down(#{on_down := none} = S) -> S;
on_down(#{on_down := Name} = S) -> done(S, where(Name)), S.

where(Name) ->
    case whereis(list_to_atom(Name)) of
        undefined -> [Name, " is nobody"];
        Pid -> [Name, " is ", name(Pid)]
    end.

answer("reply", From, S) -> gen_server:reply(From, ok), {ok, S};
answer("ignore", _, S) -> {ok, S};
answer("keep", From, #{kept := Kept} = S) -> {ok, S#{kept := [From | Kept]}};
answer("exit:" ++ Reason, _, _) -> {stop, reason(Reason)}.

%% --- Orders ------------------------------------------------------------------------------------------------------------------------

obey(["spawn_by", _, X | Options], S) ->
    Dies = [reason(R) || "dies=" ++ R <- Options],
    Monitors = [M || "monitor=" ++ M <- Options],
    Body = fun() -> case Dies of [R] -> exit(R); [] -> begin_actor(X, Options) end end,
    case spawn_opt(Body, [link || "link" <- Options] ++ [monitor || _ <- Monitors]) of
        {Pid, Ref} -> put_ref(hd(Monitors), Ref);
        Pid -> ok
    end,
    put_name(X, Pid),
    {ok, S};
obey(["trap", _, How], S) -> process_flag(trap_exit, How =:= "on"), {ok, S};
obey(["link", _, B], S) ->
    try link(pid(B)) catch error:noproc -> done(S, "link noproc") end,
    {ok, S};
obey(["unlink", _, B], S) -> unlink(pid(B)), {ok, S};
obey(["monitor", _, B, M], S) -> put_ref(M, monitor(process, pid(B))), {ok, S};
obey(["monitor_name", _, N, M], S) -> put_ref(M, monitor(process, list_to_atom(N))), {ok, S};
obey(["demonitor", _, M | Flush], S) ->
    Was = demonitor(ref(M), [info | [flush || "flush" <- Flush]]),
    done(S, ["demonitor ", M, case Was of true -> " active"; false -> " inactive" end]),
    {ok, S};
obey(["exit", _, R], _) -> {stop, reason(R)};
obey(["done", _], #{kind := server}) -> {stop, normal};
obey(["done", _], _) -> return;
obey(["fail", _, Code], _) -> {stop, {error, -list_to_integer(Code)}};
obey(["signal", _, B, R], S) -> exit(pid(B), reason(R)), {ok, S};
obey(["kill_alive", _, B], S) ->
    exit(pid(B), kill),
    done(S, alive(B)),
    {ok, S};
obey(["alive", _, B], S) -> done(S, alive(B)), {ok, S};
obey(["send", A, B | Numbers], S) -> [pid(B) ! {number, A, N} || N <- Numbers], {ok, S};
obey(["send_exit", A, B, N, R], _) -> pid(B) ! {number, A, N}, {stop, reason(R)};
obey(["send_name", A, Name, N], S) ->
    try list_to_atom(Name) ! {number, A, N} catch error:badarg -> done(S, "nobody there") end,
    {ok, S};
obey(["hold", _], S) -> {ok, S#{held := true}};
obey(["release", _], S) -> {ok, S#{held := false}};
obey(["take", _, N], S) ->
    receive {number, From, N} -> done(S, ["took ", N, " from ", From]) after 0 -> done(S, "took nothing") end,
    {ok, S};
obey(["hibernate", _], S) -> {hibernate, S};
obey(["on_down", _, N], S) -> {ok, S#{on_down := N}};
obey(["register", _, N, B], S) ->
    try register(list_to_atom(N), pid(B)), done(S, "registered") catch error:badarg -> done(S, "not registered") end,
    {ok, S};
obey(["unregister", _, N], S) ->
    try unregister(list_to_atom(N)), done(S, "unregistered") catch error:badarg -> done(S, "not unregistered") end,
    {ok, S};
obey(["whereis", _, N], S) -> done(S, where(N)), {ok, S};
obey(["timer", _, B, T, N, Timer], S) -> put_ref(Timer, erlang:send_after(time(T), pid(B), {tick, N})), {ok, S};
obey(["timer_name", _, Name, T, N, Timer], S) ->
    put_ref(Timer, erlang:send_after(time(T), list_to_atom(Name), {tick, N})),
    {ok, S};
obey(["cancel", _, Timer], S) ->
    done(S, case erlang:cancel_timer(ref(Timer)) of
        false -> "cancel inactive";
        Left when Left > ?LONG div 2, Left =< ?LONG -> "cancel active"
    end),
    {ok, S};
obey(["call", _, B, T, How], S) ->
    Outcome = try gen_server:call(pid(B), How, time(T)) of ok -> "ok"
    catch
        exit:{calling_self, _} -> "refused";
        exit:{Reason, {gen_server, call, _}} -> text(Reason)
    end,
    done(S, ["call ", B, " ", Outcome]),
    {ok, S};
obey(["answer", _], #{kept := Kept} = S) -> [gen_server:reply(From, ok) || From <- Kept], {ok, S#{kept := []}};
obey(["server", _, X, Init | Options], S) ->
    Argument = {server, X, Init, lists:member("trap", Options)},
    Outcome = case [list_to_atom(N) || "name=" ++ N <- Options] of
        [N] -> gen_server:start_link({local, N}, ?MODULE, Argument, []);
        [] -> gen_server:start_link(?MODULE, Argument, [])
    end,
    done(S, ["server ", X, " ", case Outcome of
        {ok, _} -> "ok";
        ignore -> "ignore";
        {error, {already_started, _}} -> "taken";
        {error, Reason} -> text(Reason)
    end]),
    {ok, S};
obey(["sup", _, X, Strategy, Intensity, Auto | Children], S) ->
    Outcome = supervisor:start_link(?MODULE, {sup, Strategy, list_to_integer(Intensity), Auto, Children}),
    done(S, ["sup ", X, " ", case Outcome of
        {ok, Pid} -> put_name(X, Pid), "ok";
        {error, {shutdown, {failed_to_start_child, Id, Reason}}} -> ["failed ", Id, " ", text(Reason)];
        {error, _} -> "refused"
    end]),
    {ok, S};
obey([Ask, _, X | Arguments], S) ->
    Outcome = try supervised(Ask, pid(X), Arguments)
    catch exit:{Reason, {gen_server, call, _}} -> gone(Reason)
    end,
    done(S, [Ask, " ", Outcome]),
    {ok, S}.

gone(_) -> "noproc".

alive(B) -> [B, case is_process_alive(pid(B)) of true -> " is alive"; false -> " is not alive" end].

supervised("start_child", S, [Spec]) ->
    Dynamic = ets:member(knobs, {dynamic, S}),
    case supervisor:start_child(S, case Dynamic of true -> [Spec]; false -> child_spec(Spec) end) of
        {ok, undefined} -> "ignored";
        {ok, _} -> "ok";
        {error, already_present} -> "present";
        {error, {already_started, _}} -> "running";
        {error, {bad_combination, _}} -> "refused";
        {error, {Reason, Child}} when is_tuple(Child) -> text(Reason);
        {error, Reason} -> text(Reason)
    end;
supervised("terminate_child", S, [Id]) -> ask_text(supervisor:terminate_child(S, Id));
supervised("terminate_pid", S, [Id]) -> ask_text(supervisor:terminate_child(S, pid(Id)));
supervised("restart_child", S, [Id]) -> ask_text(supervisor:restart_child(S, Id));
supervised("delete_child", S, [Id]) -> ask_text(supervisor:delete_child(S, Id));
supervised("which", S, []) ->
    Children = [which(Child) || Child <- supervisor:which_children(S)],
    lists:join(" ", case ets:member(knobs, {dynamic, S}) of true -> lists:sort(Children); false -> lists:reverse(Children) end);
supervised("count", S, []) ->
    Counts = supervisor:count_children(S),
    lists:join(" ", [integer_to_list(proplists:get_value(Key, Counts)) || Key <- [specs, active, supervisors, workers]]).

ask_text(ok) -> "ok";
ask_text({ok, undefined}) -> "ignored";
ask_text({ok, _}) -> "ok";
ask_text({error, {shutdown, {failed_to_start_child, _, Reason}}}) -> text(Reason);
ask_text({error, Reason}) -> text(Reason).

which({undefined, Pid, _, _}) when is_pid(Pid) -> name(Pid) ++ ":up";
which({undefined, restarting, _, _}) -> "restarting";
which({undefined, undefined, _, _}) -> "nobody";
which({Id, Pid, _, _}) when is_pid(Pid) -> Id ++ ":up";
which({Id, restarting, _, _}) -> Id ++ ":restarting";
which({Id, undefined, _, _}) -> Id ++ ":down".

%% --- Servers and supervisors -------------------------------------------------------------------------------------------------------

%% id:restart[:how it is stopped][:sig][:sup]
child_spec(Text) ->
    [Id, Restart | Rest] = string:split(Text, ":", all),
    Sup = lists:member("sup", Rest),
    #{id => Id, restart => list_to_atom(Restart), significant => lists:member("sig", Rest),
      type => case Sup of true -> supervisor; false -> worker end,
      shutdown => case Rest of
          ["brutal" | _] -> brutal_kill;
          ["short" | _] -> ?SHORT;
          _ when Sup -> infinity;
          _ -> ?LONG
      end,
      start => case Sup of
          true -> {supervisor, start_link, [?MODULE, {sup, "one_for_one", 1, "never", [Id ++ "1:permanent"]}]};
          false -> {?MODULE, start_child, [Id]}
      end}.

start_child(Id) -> gen_server:start_link(?MODULE, {child, Id}, []).

init({sup, Strategy, Intensity, Auto, Children}) ->
    Flags = #{strategy => list_to_atom(Strategy), intensity => Intensity, period => 3600, auto_shutdown => list_to_atom(Auto)},
    case Strategy of
        "dynamic" ->
            ets:insert(knobs, {{dynamic, self()}, 1}),
            Template = child_spec(hd(Children)),
            {ok, {Flags#{strategy := simple_one_for_one}, [Template#{start := {?MODULE, start_child, []}}]}};
        _ -> {ok, {Flags, [child_spec(C) || C <- Children]}}
    end;
init({server, X, "ok", Trap}) ->
    process_flag(trap_exit, Trap),
    put_name(X, self()),
    {ok, (new(X))#{kind => server}};
init({server, X, "ignore", _}) -> put_name(X, self()), ignore;
init({server, X, "stop:" ++ Reason, _}) -> put_name(X, self()), {stop, reason(Reason)};
init({child, Id}) ->
    case {knob(Id, "fail"), knob(Id, "ignore")} of
        {true, _} -> {stop, {error, -5}};
        {_, true} -> ignore;
        _ ->
            process_flag(trap_exit, true),
            put_name(Id, self()),
            tree(Id, "+"),
            {ok, (new(Id))#{kind => server, child => true}}
    end.

%% The children of a dynamic supervisor are stopped at the same time.
tree(Id, What) ->
    case get('$ancestors') of
        [Parent | _] when is_pid(Parent) ->
            case ets:member(knobs, {dynamic, Parent}) of
                true -> tell("tree", 1, What ++ Id, [What, Id]);
                false -> tell("tree", 2, "", [What, Id])
            end;
        _ -> ok
    end.

handle_call(How, From, S) -> reaction(answer(How, From, S), S).
handle_cast(_, S) -> {noreply, S}.
handle_info(Message, S) -> reaction(meet(Message, S), S).

reaction({ok, Next}, _) -> {noreply, Next};
reaction({hibernate, Next}, _) -> {noreply, Next, hibernate};
reaction({stop, Reason}, S) -> {stop, Reason, S}.

terminate(Reason, #{child := true, name := Id}) ->
    ets:lookup(knobs, {Id, "stubborn"}) =:= [] orelse timer:sleep(infinity),
    Reason =:= shutdown andalso tree(Id, "-");
terminate(Reason, S) -> learnt(S, ["terminate ", text(Reason)]).
