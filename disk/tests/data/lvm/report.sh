#!/bin/bash
# Prints what lvm says of the volume groups, and a checksum of each volume's content. Runs inside the appliance.
cfg='activation { udev_sync=0 udev_rules=0 monitoring=0 } devices { use_devicesfile=0 }'
exec 2>/tmp/report.err
O="--config" ; R="--reportformat json --units b --nosuffix"
echo "@@pvs"; lvm pvs $O "$cfg" $R -o pv_name,pv_uuid,pv_fmt,pv_size,dev_size,pv_free,pv_used,pv_attr,pv_pe_count,pv_pe_alloc_count,pv_tags,pe_start,pv_mda_count,pv_mda_free,vg_name
echo "@@vgs"; lvm vgs $O "$cfg" $R -o vg_name,vg_uuid,vg_fmt,vg_attr,vg_size,vg_free,vg_sysid,vg_extent_size,vg_extent_count,vg_free_count,max_lv,max_pv,pv_count,lv_count,snap_count,vg_seqno,vg_tags,vg_mda_count,vg_mda_free
echo "@@lvs"; lvm lvs $O "$cfg" $R -o vg_name,lv_name,lv_uuid,lv_attr,lv_major,lv_minor,lv_kernel_major,lv_kernel_minor,lv_size,seg_count,origin,snap_percent,copy_percent,move_pv,lv_tags,mirror_log,modules,lv_role,lv_skip_activation,lv_active
echo "@@public"; lvm lvs $O "$cfg" --noheadings -o vg_name,lv_name -S 'lv_role=public && lv_skip_activation!=yes' --separator /
echo "@@segs"; lvm lvs $O "$cfg" -a $R --segments -o vg_name,lv_name,segtype
echo "@@sha256"
for d in /dev/plain/* /dev/ring/* /dev/fancy/*; do [ -b "$d" ] && sha256sum "$d"; done
echo "@@end"
