/** An alert: the series of a machine that begins well and goes wrong, and when the alert is silent and when it speaks. */
export interface AlertCase {
  readonly alert: string;
  /** Samples, one a minute, by metric and labels. */
  readonly series: Readonly<Record<string, string>>;
  readonly silent: string;
  readonly speaks: string;
}

/** Well for half an hour, then not. */
const TURNS = '0+0x30 1+0x60';
const QUARTER = '0+0x30 1+0x90';

export const ALERTS: readonly AlertCase[] = [
  { alert: 'VastOstDown', series: { up: '1+0x30 0+0x30' }, silent: '31m', speaks: '35m' },
  { alert: 'VastOstNotScraped', series: { up: '1+0x30 _x60' }, silent: '40m', speaks: '50m' },
  {
    alert: 'VastOstRestarts',
    series: { process_start_time_seconds: '0+0x30 1800+0x4 2100 2160+0x30' },
    silent: '35m',
    speaks: '40m',
  },
  {
    alert: 'VastOstMountHangs',
    series: { 'vast_ost_directory_calls_oldest_seconds{storage="file:/mnt/vast"}': '0+0x30 0+60x30' },
    silent: '31m',
    speaks: '36m',
  },
  { alert: 'VastOstDrainingLong', series: { vast_ost_draining: TURNS }, silent: '35m', speaks: '40m' },
  {
    alert: 'VastOstNoBackup',
    series: {
      process_start_time_seconds: '0+0x1800',
      'vast_ost_last_success_timestamp_seconds{operation="write"}': '_x60 3600+0x1740',
    },
    silent: '1610m',
    speaks: '1630m',
  },
  {
    // Nothing was ever written, and the engine began anew in between.
    alert: 'VastOstNoBackup',
    series: { process_start_time_seconds: '0+0x1000 60000+0x800' },
    silent: '1550m',
    speaks: '1570m',
  },
  {
    alert: 'VastOstBackupsFail',
    series: { 'vast_ost_images_total{operation="write",result="failed"}': TURNS },
    silent: '30m',
    speaks: '32m',
  },
  {
    alert: 'VastOstRestoresFail',
    series: { 'vast_ost_images_total{operation="read",result="failed"}': TURNS },
    silent: '30m',
    speaks: '32m',
  },
  {
    alert: 'VastOstDataDamaged',
    series: { 'vast_ost_checksum_mismatches_total{place="image"}': TURNS },
    silent: '30m',
    speaks: '32m',
  },
  {
    alert: 'VastOstScrubDamage',
    series: {
      'vast_ost_scrub_images_total{server="s",lsu="l",result="good"}': '0+1x90',
      'vast_ost_scrub_images_total{server="s",lsu="l",result="damaged"}': TURNS,
    },
    silent: '30m',
    speaks: '32m',
  },
  {
    // Rounds of an hour end, begin anew, and end no more.
    alert: 'VastOstScrubOverdue',
    series: {
      'vast_ost_scrub_interval_seconds{server="s"}': '3600+0x300',
      'vast_ost_scrub_interval_seconds{server="other"}': '36000+0x300',
      'vast_ost_scrub_last_complete_timestamp_seconds{server="s",lsu="l"}': '_x10 600+0x290',
      'vast_ost_scrub_round_began_timestamp_seconds{server="s",lsu="l"}': '0+0x10 _x50 3600+0x240',
      'vast_ost_scrub_last_complete_timestamp_seconds{server="other",lsu="l"}': '600+0x300',
    },
    silent: '185m',
    speaks: '195m',
  },
  {
    // The first round does not end.
    alert: 'VastOstScrubOverdue',
    series: {
      'vast_ost_scrub_interval_seconds{server="s"}': '3600+0x300',
      'vast_ost_scrub_round_began_timestamp_seconds{server="s",lsu="l"}': '600+0x300',
    },
    silent: '185m',
    speaks: '195m',
  },
  {
    alert: 'VastOstWireDamages',
    series: { 'vast_ost_checksum_mismatches_total{place="wire"}': '0+0x30 5+0x10 30+0x30' },
    silent: '38m',
    speaks: '50m',
  },
  {
    alert: 'VastOstStorageRefuses',
    series: { 'vast_ost_requests_total{service="s3",operation="part",result="access"}': '0+0x30 0+6x60' },
    silent: '40m',
    speaks: '45m',
  },
  {
    alert: 'VastOstStorageFull',
    series: { 'vast_ost_requests_total{service="s3",operation="part",result="capacity"}': '0+0x30 0+1x60' },
    silent: '31m',
    speaks: '40m',
  },
  {
    alert: 'VastOstRetryStorm',
    series: {
      'vast_ost_retries_total{service="s3",reason="VOST_THROTTLED"}': '0+1x30 60+60x60',
      'vast_ost_requests_total{service="s3",operation="part",result="ok"}': '0+100x90',
      'vast_ost_requests_total{service="s3",operation="part",result="retryable"}': '0+1x30 60+60x60',
    },
    silent: '40m',
    speaks: '46m',
  },
  {
    alert: 'VastOstVipLeftAlone',
    series: { 'vast_ost_vip_state{server="s",vip="10.0.0.1:443",state="quarantined"}': TURNS },
    silent: '35m',
    speaks: '37m',
  },
  {
    alert: 'VastOstNoVip',
    series: {
      'vast_ost_vip_state{server="s",vip="10.0.0.1:443",state="healthy"}': '1+0x30 0+0x30',
      'vast_ost_vip_state{server="s",vip="10.0.0.2:443",state="healthy"}': '1+0x40 0+0x30',
    },
    silent: '40m',
    speaks: '43m',
  },
  {
    alert: 'VastOstVipLookupFails',
    series: { 'vast_ost_vip_lookup_failed{server="s"}': TURNS },
    silent: '40m',
    speaks: '42m',
  },
  {
    alert: 'VastOstVmsUnreachable',
    series: { 'vast_ost_vms_failing{server="s"}': TURNS },
    silent: '45m',
    speaks: '47m',
  },
  {
    alert: 'VastOstFiguresOld',
    series: { 'vast_ost_vms_figures_timestamp_seconds{server="s"}': '0+60x30 1800+0x90' },
    silent: '90m',
    speaks: '92m',
  },
  {
    alert: 'VastOstRotationFails',
    series: { 'vast_ost_rotation_failing{server="s",what="keys"}': QUARTER },
    silent: '90m',
    speaks: '92m',
  },
  {
    alert: 'VastOstLsuFillsUp',
    series: {
      'vast_ost_lsu_used_bytes{server="s",lsu="l"}': '89+0x30 91+0x60',
      'vast_ost_lsu_size_bytes{server="s",lsu="l"}': '100+0x90',
    },
    silent: '45m',
    speaks: '47m',
  },
  {
    alert: 'VastOstLsuFull',
    series: {
      'vast_ost_lsu_used_bytes{server="s",lsu="l"}': '96+0x30 98+0x60',
      'vast_ost_lsu_size_bytes{server="s",lsu="l"}': '100+0x90',
    },
    silent: '35m',
    speaks: '37m',
  },
  {
    alert: 'VastOstClusterFillsUp',
    series: {
      'vast_ost_lsu_physical_used_bytes{server="s",lsu="l"}': '89+0x30 91+0x60',
      'vast_ost_lsu_physical_size_bytes{server="s",lsu="l"}': '100+0x90',
    },
    silent: '45m',
    speaks: '47m',
  },
  {
    alert: 'VastOstMemoryExhausted',
    series: {
      'vast_ost_memory_waiting{for="stage"}': '0+0x30 3+0x60',
      'vast_ost_memory_waiting{for="slot"}': '0+0x90',
      'vast_ost_memory_bytes{state="used"}': '95+0x90',
      vast_ost_memory_limit_bytes: '100+0x90',
    },
    silent: '45m',
    speaks: '47m',
  },
  {
    alert: 'VastOstEventLoopLate',
    series: { 'vast_ost_event_loop_delay_seconds{quantile="0.99"}': TURNS },
    silent: '35m',
    speaks: '37m',
  },
  {
    alert: 'VastOstStageWarns',
    series: { 'vast_ost_stage_reports_total{stage="watch",severity="warning"}': TURNS },
    silent: '30m',
    speaks: '32m',
  },
  { alert: 'VastOstHostsBreakProtocol', series: { vast_ost_host_faults_total: TURNS }, silent: '30m', speaks: '32m' },
];
