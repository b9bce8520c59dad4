package kernel

import "fmt"

// Features are all that claims may ask for. The release of one is that of the commit which brought it.
func Features() []Feature {
	return []Feature{
		{Name: "tcp_syn_linear_timeouts", What: "sysctl tcp_syn_linear_timeouts", Since: Version{6, 5}, // commit ccce324dabfe
			probe: sysctlProbe("net.ipv4.tcp_syn_linear_timeouts")},
		{Name: "tcp_rto_min_us", What: "sysctl tcp_rto_min_us", Since: Version{6, 11}, // commit f086edef71be
			probe: sysctlProbe("net.ipv4.tcp_rto_min_us")},
		{Name: "tcp_rto_max_ms", What: "sysctl tcp_rto_max_ms", Since: Version{6, 15}, // commit 1280c26228bd
			probe: sysctlProbe("net.ipv4.tcp_rto_max_ms")},
		{Name: "TCP_RTO_MAX_MS", What: "socket option TCP_RTO_MAX_MS", Since: Version{6, 15}, // commit 54a378f43425
			probe: probeRTOMaxMS},
		{Name: "TCP_RTO_MIN_US", What: "socket option TCP_RTO_MIN_US", Since: Version{6, 15}, // commit f38805c5d26f
			probe: probeRTOMinUS},
		{Name: "tcpi_total_rto", What: "tcpi_total_rto in TCP_INFO", Since: Version{6, 7}, // commit 3868ab0f1925
			probe: probeTotalRTO},
		{Name: "challenge-ack-per-netns", What: "challenge ACK limit of each network namespace", Since: Version{6, 0}, // commit 79e3602caa6f
			probe: probeChallengeLimit},

		{Name: "ipv6", What: "IPv6", How: "CONFIG_IPV6, or started with ipv6.disable=1", probe: probeIPv6},
		{Name: "packet-socket", What: "packet sockets", How: "CONFIG_PACKET", probe: probePacket},
		{Name: "SOCK_DESTROY", What: "SOCK_DESTROY", How: "CONFIG_INET_DIAG_DESTROY", probe: probeSockDestroy},
		{Name: "bridge", What: "bridges", How: "CONFIG_BRIDGE", probe: probeBridge},
		{Name: "veth", What: "veth cables", How: "CONFIG_VETH", probe: probeVeth},
		{Name: "nf_tables-inet", What: "nf_tables family inet", How: "CONFIG_NF_TABLES_INET", probe: probeTablesINet},
		{Name: "nf_tables-bridge", What: "nf_tables family bridge", How: "CONFIG_NF_TABLES_BRIDGE", probe: probeTablesBridge},
		{Name: "nf_tables-reject", What: "nf_tables reject in family inet", How: "CONFIG_NFT_REJECT", probe: probeTablesReject},
		{Name: "nf_tables-ct", What: "nf_tables ct (connection tracking) in family inet", How: "CONFIG_NFT_CT", probe: probeTablesConntrack},
		{Name: "nf_tables-masq", What: "nf_tables masquerade in family inet", How: "CONFIG_NFT_MASQ", probe: probeTablesMasquerade},
		{Name: "nf_tables-nat", What: "nf_tables snat in family inet", How: "CONFIG_NFT_NAT", probe: probeTablesNAT},
		{Name: "conntrack-netlink", What: "connection tracking's table in netlink", How: "CONFIG_NF_CT_NETLINK", probe: probeConntrackNetlink},
		{Name: "net-namespace", What: "network namespaces", How: "CONFIG_NET_NS", probe: namespaceProbe("net")},
		{Name: "user-namespace", What: "user namespaces", How: "CONFIG_USER_NS", probe: namespaceProbe("user")},
		{Name: "pid-namespace", What: "pid namespaces", How: "CONFIG_PID_NS", probe: namespaceProbe("pid")},
	}
}

// FeatureNamed is the feature of that name.
func FeatureNamed(name string) (Feature, error) {
	for _, f := range Features() {
		if f.Name == name {
			return f, nil
		}
	}
	return Feature{}, fmt.Errorf("there is no feature %q", name)
}
