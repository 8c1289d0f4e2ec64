# bash completion of dockerdoctor. Made by tools/completions.py: do not edit.

_dockerdoctor_about() {
    case $1 in
        '')
            commands='check diagnose top heal watch explain bundle pause resume demo incidents disk rules probes service'
            options='--output -o --json'
            valued=' --output -o '
            ;;
        'check')
            commands=''
            options='--output -o --json'
            valued=' --output -o '
            ;;
        'diagnose')
            commands=''
            options='--symptom --json'
            valued=' --symptom '
            ;;
        'top')
            commands=''
            options='--once --every --sort --json'
            valued=' --every --sort '
            ;;
        'heal')
            commands=''
            options='--plan --yes -y --only --max-impact --emergency --json'
            valued=' --only --max-impact '
            ;;
        'watch')
            commands=''
            options='--dry-run --once'
            valued='  '
            ;;
        'explain')
            commands=''
            options='--said --json --stacks'
            valued=' --said --stacks '
            ;;
        'bundle')
            commands=''
            options='--output -o --max-size'
            valued=' --output -o --max-size '
            ;;
        'pause')
            commands=''
            options='--for --why'
            valued=' --for --why '
            ;;
        'resume')
            commands=''
            options=''
            valued='  '
            ;;
        'demo')
            commands=''
            options='--engine --keep --fault'
            valued=' --engine --keep --fault '
            ;;
        'incidents')
            commands='list show report stats'
            options='--json --limit'
            valued=' --limit '
            ;;
        'incidents list')
            commands=''
            options='--json --limit'
            valued=' --limit '
            ;;
        'incidents show')
            commands=''
            options='--json'
            valued='  '
            ;;
        'incidents report')
            commands=''
            options='--html --markdown'
            valued=' --html '
            ;;
        'incidents stats')
            commands=''
            options='--json'
            valued='  '
            ;;
        'disk')
            commands='show reclaim logs'
            options='--json --all -a'
            valued='  '
            ;;
        'disk show')
            commands=''
            options='--json --all -a'
            valued='  '
            ;;
        'disk reclaim')
            commands=''
            options='--plan --apply --to --logs --volumes --orphans --yes -y --json'
            valued=' --to '
            ;;
        'disk logs')
            commands=''
            options='--for --all -a --cut --keep --yes -y --json'
            valued=' --for --cut --keep '
            ;;
        'rules')
            commands='list check show'
            options='--json'
            valued='  '
            ;;
        'rules list')
            commands=''
            options='--json'
            valued='  '
            ;;
        'rules check')
            commands=''
            options=''
            valued='  '
            ;;
        'rules show')
            commands=''
            options='--json'
            valued='  '
            ;;
        'probes')
            commands='list run'
            options='--json --readings'
            valued='  '
            ;;
        'probes list')
            commands=''
            options='--json --readings'
            valued='  '
            ;;
        'probes run')
            commands=''
            options='--json'
            valued='  '
            ;;
        'service')
            commands='print install uninstall'
            options=''
            valued='  '
            ;;
        'service print')
            commands=''
            options=''
            valued='  '
            ;;
        'service install')
            commands=''
            options='--enable --into'
            valued=' --into '
            ;;
        'service uninstall')
            commands=''
            options='--dry-run --into'
            valued=' --into '
            ;;
    esac
    options+=' --config --host -H --context --debug --no-input --version --help -h'
    valued+=' --config --host -H --context '
}

_dockerdoctor_values() {
    case $1 in
        *':--config') action=file ;;
        ':--output'|':-o') words='text json nagios' ;;
        'check:--output'|'check:-o') words='text json nagios' ;;
        'diagnose:--symptom') words='start hang socket disk storage network memory' ;;
        'top:--sort') words='growth size name' ;;
        'heal:--only') words='clear-pid-file drop-doubled-rules dump-stacks end-orphan-proxies free-space-outside kill-all kill-shim prune reboot restart restart-containerd restart-if-live sigkill start systemd-kill' ;;
        'heal:--max-impact') words='none daemon containers host' ;;
        'explain:') action=file ;;
        'bundle:--output'|'bundle:-o') action=file ;;
        'demo:--engine') action=directory ;;
        'demo:--keep') action=directory ;;
        'demo:--fault') words='frozen deaf killed' ;;
        'incidents show:') action=ids ;;
        'incidents report:--html') action=file ;;
        'incidents report:') action=ids ;;
        'rules check:') action=directory ;;
        'rules show:') words='canary-fails canary-slow container-stuck prune-stuck container-not-removable daemon-unresponsive daemon-down containerd-hung containerd-stopped daemon-starting start-stands-still watchdog-never-fed socket-slow disk-high disk-full-soon disk-full inodes-high containerd-disk-high containerd-disk-full containerd-inodes-high run-full bad-daemon-json flag-and-file-conflict unknown-flag network-database-corrupt address-pools-exhausted network-controller-fails pid-file-stale another-dockerd containerd-not-reached containerd-database-corrupt build-cache-database-corrupt database-panic container-unreadable name-held-by-nobody container-without-layer image-layer-missing layer-leftover firewall-flushed bridge-gone no-space-told open-files-exhausted files-nearly-exhausted container-outlives-its-kill container-id-in-use port-allocated port-foreign name-resolution-broken name-rules-unwritten kernel-holds-daemon kernel-holds-container netdev-leak dockerd-oom-killed dockerd-oom-killed-told dockerd-killed-by-oomd data-root-read-only nfs-silent proxy-orphaned container-ghost shim-lost health-checks-stopped firewall-doubled rss-high rss-critical memory-leak memory-leak-critical memory-leak-of-version container-start-slow container-starts-fail' ;;
        'probes run:') words='api builds canary containerd containers disk events firewall health journal kernel leftovers locks ping pressure process trend unit' ;;
        'service install:--into') action=directory ;;
        'service uninstall:--into') action=directory ;;
    esac
}

_dockerdoctor() {
    local path= commands= options= valued= words= action= skip= word i
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    if [[ $current == '=' ]]; then
        current=
    elif [[ $before == '=' ]]; then  # bash parts `--option=value` at the sign
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    _dockerdoctor_about ''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -n $skip ]]; then
            [[ $word == '=' ]] || skip=
        elif [[ $valued == *" $word "* ]]; then
            skip=yes
        elif [[ " $commands " == *" $word "* ]]; then
            path="${path:+$path }$word"
            _dockerdoctor_about "$path"
        fi
    done
    if [[ $valued == *" $before "* ]]; then
        _dockerdoctor_values "$path:$before"
    elif [[ $current == -* ]]; then
        words=$options
    elif [[ -n $commands ]]; then
        words=$commands
    else
        _dockerdoctor_values "$path:"
    fi
    case $action in
        file) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        directory) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        ids) words=$(dockerdoctor incidents list 2>/dev/null | sed -n '2,$s/ .*//p') ;;
    esac
    [[ $action == ids || -z $action ]] || compopt -o filenames 2>/dev/null
    [[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _dockerdoctor dockerdoctor
